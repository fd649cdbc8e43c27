"""The shell commands of README.md and docs/, and who runs each. `make docs-check` runs this.

`tests/documented_commands.toml` is the list. A command stands under `[[run]]`, and this module runs it; under
`[[tested]]` with the test that runs it, perhaps with other values; or under `[[slow]]` with the reason why only a
person runs it, and the test that runs its code or reads what it wrote. A command that stands nowhere fails, and so does
an entry that no page has.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from bench.shell import bash

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = ("README.md", "docs/*.md")
LEDGER: Final = Path(__file__).with_suffix(".toml")
SHELLS: Final = ("sh", "shell", "bash", "console")
PROGRAMS: Final = (
    *(
        r"(?:\S+/)?chatproof(?! \w+:)",
        r"(?:\S+/)?(?:pip|pytest|python3?)",
        "make",
        "locust",
        "curl",
        "npm",
        "npx",
        "git",
    ),
    *("docker", "your-server", "my-server"),
)
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARIABLES: Final = r"(?:[A-Z][A-Z_]*=\S* )*"
_INDENTED: Final = re.compile(rf"^ {{4}}(?:\$ )?({_VARIABLES}(?:{'|'.join(PROGRAMS)})(?: .*)?)$")


@dataclass(frozen=True, slots=True)
class Known:
    """An entry: the commands, and who runs them. `files`: what `run` needs in its folder, by name."""

    commands: tuple[str, ...]
    test: str = ""
    why: str = ""
    code: int = 0
    says: str = ""
    beside: str = ""
    files: dict[str, str] = field(default_factory=dict)


def documented() -> dict[str, str]:
    """Every command of the pages, with the first page that shows it."""
    found: dict[str, str] = {}
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            for command in commands_in(path.read_text(encoding="utf-8")):
                found.setdefault(command, str(path.relative_to(ROOT)))
    return found


def commands_in(page: str) -> Iterator[str]:
    """The commands of a page: those of its blocks for a shell, and lines that are indented and begin with a program.
    Continued lines are joined, comments left out."""
    for language, block in _FENCE.findall(page):
        if language in SHELLS:
            lines = _joined(block)
            if language == "console":  # `$` before each command, and its output below
                lines = [line[2:] for line in lines if line.startswith("$ ")]
            yield from filter(None, map(_bare, lines))
    for line in _joined(_FENCE.sub("", page)):
        if found := _INDENTED.match(line):
            yield _bare(found[1])


def _joined(text: str) -> list[str]:
    return re.sub(r"\s*\\\n\s*", " ", text).splitlines()


def _bare(line: str) -> str:
    """A command without the comment behind it: a `#` behind a space, outside of quotes."""
    for mark in re.finditer(r"(?:^|\s)#", line):
        before = line[: mark.start()]
        if not before.count('"') % 2 and not before.count("'") % 2:
            return before.strip()
    return line.strip()


def ledger() -> dict[str, list[Known]]:
    """The entries of the list, by their kind: run, tested, slow."""
    document: dict[str, list[dict[str, Any]]] = tomllib.loads(LEDGER.read_text(encoding="utf-8"))
    assert document.keys() <= {"run", "tested", "slow"}
    return {
        kind: [Known(**{**one, "commands": tuple(one["commands"])}) for one in some] for kind, some in document.items()
    }


@cache
def tests_of(file: str) -> frozenset[str]:
    """The names of the functions of a test file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def problems() -> list[str]:
    """Commands that nobody runs, entries that no page has, and tests that are not there."""
    shown, entries = documented(), [one for some in ledger().values() for one in some]
    named = [command for one in entries for command in one.commands]
    found = [f"{page}: nobody runs: {command}" for command, page in shown.items() if command not in named]
    found += [f"{LEDGER.name}: no page shows: {command}" for command in named if command not in shown]
    found += [f"{LEDGER.name}: stands twice: {command}" for command in {*named} if named.count(command) > 1]
    for one in entries:
        file, _, name = one.test.partition("::")
        if one.test and not ((ROOT / file).is_file() and (not name or name in tests_of(file))):
            found.append(f"{LEDGER.name}: there is no {one.test}")
    return found


def run(entry: Known, folder: Path) -> list[str]:
    """Run the commands of an entry in a folder, one after the other. Gives a line for each that went wrong.

    `beside` runs meanwhile, and has said its first line before they begin.
    """
    for name, text in entry.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    python = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    variables = {**os.environ, "PATH": path, "PYTHONPATH": python, "NO_COLOR": "1"}
    beside = entry.beside and subprocess.Popen(
        ["bash", "-c", f"exec {entry.beside}"], cwd=folder, env=variables, stdout=subprocess.PIPE, text=True
    )
    try:
        if beside:
            assert beside.stdout is not None
            beside.stdout.readline()
        return [line for command in entry.commands if (line := _run(command, entry, folder, variables))]
    finally:
        if beside:
            beside.terminate()
            beside.communicate(timeout=20)


def _run(command: str, entry: Known, folder: Path, variables: dict[str, str]) -> str:
    ran = bash(command, folder, variables, timeout=120)
    is_right = ran.returncode == entry.code and entry.says in ran.stdout
    return "" if is_right else f"exit code {ran.returncode}: {command}\n{ran.stdout[-2_000:]}"


def main(words: Sequence[str]) -> int:
    """Check the list, then run what it says is run here. Exit code 1 with a line for each problem."""
    found = problems()
    for entry in ledger().get("run", []):
        program = entry.commands[0].split()[0]
        if program == "curl" and not shutil.which(program):
            sys.stdout.write("curl is not installed: its commands are left out\n")
            continue
        folder = Path(tempfile.mkdtemp())
        try:
            found += run(entry, folder)
        finally:
            shutil.rmtree(folder)
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.stdout.write(f"{len(documented())} commands in the pages, {len(found)} problems\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
