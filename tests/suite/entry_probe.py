"""Runs an entry of the package in a process of its own, which says at its end what it imported.

The process finds a `sitecustomize` on its PYTHONPATH. It writes what `sys.modules` holds at the end, and hides modules
as if they were not installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITECUSTOMIZE = """
import atexit, importlib.machinery, json, os, sys

def report():
    files = {}
    for name, module in list(sys.modules.items()):
        path = os.path.realpath(getattr(module, "__file__", None) or "")
        if path.startswith(ROOT) and "site-packages" not in path:  # the environment may lie in the checkout
            files.setdefault(path, {})[id(module)] = name
    twice = [sorted(names.values()) for names in files.values() if len(names) > 1]
    with open(os.path.join(SEEN, f"{os.getpid()}.json"), "w") as file:
        json.dump({"twice": twice, "ours": len(files), "modules": sorted(sys.modules)}, file)

atexit.register(report)
hidden = os.environ.get("HIDDEN_MODULES", "").split()
find = importlib.machinery.PathFinder.find_spec

class FindSpec:  # no function: pytest makes an attribute of a class of it, and would get a method
    def __call__(self, name, *arguments):
        return None if name.partition(".")[0] in hidden else find(name, *arguments)

importlib.machinery.PathFinder.find_spec = FindSpec()
"""


@dataclass(frozen=True, slots=True)
class Probed:
    """How an entry ended. `modules`: the names in `sys.modules`; `twice`: the names of files that were loaded twice."""

    code: int
    out: str
    err: str
    modules: frozenset[str]
    ours: int
    twice: list[list[str]]


def probe(
    folder: Path,
    *command: str,
    cwd: Path | None = None,
    until: str = "",
    hidden: str = "",
    environment: Mapping[str, str] | None = None,
) -> Probed:
    """Run `python COMMAND`, from `cwd` or an empty folder.

    Args:
        until: it is asked to end (SIGTERM) once it prints this; left out, it ends by itself.
        hidden: top-level modules that are not to be found, separated by spaces.
        environment: further variables.
    """
    for name in ("site", "seen", "empty"):
        (folder / name).mkdir(exist_ok=True)
    seen = folder / "seen"
    for old in seen.iterdir():
        old.unlink()
    code = f"ROOT, SEEN = {os.path.realpath(ROOT) + os.sep!r}, {str(seen)!r}\n{SITECUSTOMIZE}"
    (folder / "site" / "sitecustomize.py").write_text(code, encoding="utf-8")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    variables |= {"PYTHONPATH": f"{folder / 'site'}{os.pathsep}{ROOT}", "HIDDEN_MODULES": hidden, **(environment or {})}
    with (folder / "out").open("w+", encoding="utf-8") as out, (folder / "err").open("w+", encoding="utf-8") as err:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=cwd or folder / "empty",
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if until else out,
            stderr=err,
            text=True,
        )
        try:
            if until:
                assert process.stdout is not None
                assert any(until in line for line in process.stdout), (folder / "err").read_text(encoding="utf-8")
                process.terminate()
            process.communicate(timeout=100)
        finally:
            process.kill()
            process.wait()
    found = [json.loads(path.read_text(encoding="utf-8")) for path in seen.iterdir()]
    return Probed(
        process.returncode,
        (folder / "out").read_text(encoding="utf-8"),
        (folder / "err").read_text(encoding="utf-8"),
        frozenset(name for one in found for name in one["modules"]),
        sum(one["ours"] for one in found),
        [names for one in found for names in one["twice"]],
    )
