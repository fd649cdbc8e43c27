"""`python -m bench first-verdict`: from an empty folder to a gated pull request, as docs/first-verdict.md shows it.

Each walk copies a server of `bench/walks/` into an empty folder, installs the wheel there, and runs the page's commands
one after the other. What they print and how long they take goes into the page, between its markers.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.lines import ROOT
from bench.shell import bash

PAGE: Final = ROOT / "docs" / "first-verdict.md"
SERVERS: Final = ROOT / "bench" / "walks"
WARM, VERDICT = 30.0, 75.0  # seconds that the install, on a warm cache, and the Node server's first verdict may take
WIDEST, TOP, BOTTOM = 150, 24, 4  # characters of a line, first and last lines that the page shows of an output
OVER: Final = ", over"  # what the page says of a step that took too long
HOME: Final = "/home/you/chat"  # the page's name for the folder
CHATPROOF: Final = ".chatproof/bin/chatproof"
_OF_THIS_MACHINE: Final = re.compile(r"(?m)^WARNING: Location .*\n")  # pip's words about its settings
_BLOCK: Final = re.compile(r"<!-- walk: (?P<name>[\w -]+) -->\n.*?<!-- end of walk -->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WalkStep:
    """A command for bash, and the exit code that it must have. `limit`: seconds that it may take. `edits`: files, each
    with a text in it and the one that takes its place, before the command runs."""

    command: str
    code: int = 0
    limit: float | None = None
    edits: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Walked:
    """What a step printed, and its seconds."""

    step: WalkStep
    output: str
    seconds: float


MENDED: Final = (
    ("server.js", "  let count = 0\n", "  let count = 0\n  let finished = false\n"),
    (
        "server.js",
        "      if (token) send",
        "      if (chunk.choices?.[0]?.finish_reason) finished = true\n      if (token) send",
    ),
    ("server.js", "if (gone.signal.aborted) throw", "if (!finished) throw"),
)
INSTALL: Final = 'python3 -m venv .chatproof && .chatproof/bin/python -m pip install --quiet "$CHATPROOF_SPEC"'
_COMMON: Final = MappingProxyType(
    {
        "install": WalkStep(INSTALL, limit=WARM),
        "init": WalkStep(f"{CHATPROOF} init"),
        "check": WalkStep(f"{CHATPROOF} check --report-html report.html", code=1),
        "baseline": WalkStep(f"{CHATPROOF} check --write-baseline known-failures.toml", code=1),
        "gate": WalkStep(f"{CHATPROOF} check --baseline known-failures.toml"),
        "workflow": WalkStep(f"{CHATPROOF} init --ci github"),
    }
)
WALKS: Final[Mapping[str, Mapping[str, WalkStep]]] = MappingProxyType(
    {
        "node": {
            "server": WalkStep("npm ci --silent"),
            **{name: _COMMON[name] for name in ("install", "init")},
            "check": replace(_COMMON["check"], limit=VERDICT),
            "explain": WalkStep(f"{CHATPROOF} explain ERR-03"),
            "again": WalkStep(f"{CHATPROOF} check --only ERR-03", edits=MENDED),
            **{name: _COMMON[name] for name in ("baseline", "gate", "workflow")},
        },
        "python": {
            "server": WalkStep("python3 -m venv .venv && .venv/bin/python -m pip install --quiet -r requirements.txt"),
            **{name: _COMMON[name] for name in ("install", "init", "check", "workflow")},
        },
    }
)


def run(wheel: Path | None, only: Sequence[str], write: bool) -> int:
    """Walk, print what was seen, and write the page. 0; 1 where a command ends otherwise, or takes too long."""
    problems: list[str] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        built = wheel.absolute() if wheel else _build(Path(folder))
        walked = {}
        for name in only or WALKS:
            found = list(_walk(name, Path(folder) / name, built, problems))
            walked[name] = dict(zip(WALKS[name], found, strict=False))
        size = built.stat().st_size
    if write:
        PAGE.write_text(_filled(PAGE.read_text(encoding="utf-8"), walked, size), encoding="utf-8")
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


def _walk(name: str, folder: Path, wheel: Path, problems: list[str]) -> Iterator[Walked]:
    """Run one walk in its empty folder. It ends at the first command that does not end as it should."""
    shutil.copytree(SERVERS / name, folder, ignore=shutil.ignore_patterns("node_modules"))
    warm = folder.parent / f"{name}-warm"  # an install before the one that is timed: the cache of packages is warm then
    _bash(f'python3 -m venv "{warm}" && "{warm}/bin/python" -m pip install --quiet "{wheel}"', folder, wheel)
    for label, step in WALKS[name].items():
        for file, old, new in step.edits:
            text = (folder / file).read_text(encoding="utf-8")
            assert text.count(old) == 1, old
            (folder / file).write_text(text.replace(old, new), encoding="utf-8")
        began = time.monotonic()
        ran = _bash(step.command, folder, wheel)
        seconds = time.monotonic() - began
        output = _OF_THIS_MACHINE.sub("", ran.stdout)
        output = output.replace(str(folder), HOME).replace(str(folder.parent), "/home/you")
        sys.stdout.write(
            f"--- {name} {label}: {seconds:.1f} s, exit code {ran.returncode}\n$ {step.command}\n{output}\n"
        )
        sys.stdout.flush()
        yield Walked(step, output, seconds)
        if step.limit and seconds > step.limit:
            problems.append(f"{name} {label} took {seconds:.1f} s, and may take {step.limit:g}")
        if ran.returncode != step.code:
            problems.append(f"{name} {label} ended with exit code {ran.returncode}, not {step.code}")
            return


def _bash(command: str, folder: Path, wheel: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as in a terminal without colours, and without this process's own environment of Python."""
    ours = ("PYTHON", "VIRTUAL_ENV", "PYTEST", "CI", "GITHUB_")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = [part for part in variables.get("PATH", "").split(os.pathsep) if part != str(Path(sys.executable).parent)]
    variables |= {"PATH": os.pathsep.join(path), "CHATPROOF_SPEC": str(wheel), "NO_COLOR": "1"}
    return bash(command, folder, variables)


def _build(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "wheel")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (built,) = (folder / "wheel").glob("chatproof-*.whl")
    return built


def _filled(page: str, walked: Mapping[str, Mapping[str, Walked]], size: int) -> str:
    """The page with what was seen. Blocks of walks that were left out stay."""

    def block(found: re.Match[str]) -> str:
        name, _, label = found["name"].partition(" ")
        if found["name"] == "seconds" and len(walked) == len(WALKS):
            said = _table(walked, size)
        elif name in walked and label in walked[name]:
            one = walked[name][label]
            said = f"```console\n$ {one.step.command}\n{shown(one.output)}```\n"
        else:
            return found[0]
        return f"<!-- walk: {found['name']} -->\n{said}<!-- end of walk -->"

    return _BLOCK.sub(block, page)


def shown(output: str) -> str:
    """An output as the page shows it: the middle of a long one left out, long lines cut."""
    lines = [line if len(line) <= WIDEST else f"{line[: WIDEST - 2]} …" for line in output.rstrip().splitlines()]
    if len(lines) > TOP + BOTTOM + 1:
        lines[TOP:-BOTTOM] = [f"… ({len(lines) - TOP - BOTTOM} more lines)"]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _table(walked: Mapping[str, Mapping[str, Walked]], size: int) -> str:
    lines = ["| step | " + " | ".join(walked) + " | may take (node) |", "|---|" + "--:|" * (len(walked) + 1)]
    for label in ("install", "init", "check", "gate"):
        limit = walked["node"][label].step.limit
        cells = [_cell(one[label]) if label in one else "" for one in walked.values()]
        lines.append(f"| {label} | {' | '.join(cells)} | {f'{limit:g} s' if limit else ''} |")
    busy = f"Other work kept the machine busy meanwhile: its load was {os.getloadavg()[1]:.1f}, and 0 is idle."
    told = (
        f"Measured on {date.today():%Y-%m-%d} with Python {platform.python_version()} on {platform.system()}, "
        f"{os.cpu_count()} processors, a warm package cache, and a wheel of {size / 1e6:.1f} MB."
    )
    return "\n".join(lines) + f"\n\n{told}{f' {busy}' if OVER in ''.join(lines) else ''}\n"


def _cell(walked: Walked) -> str:
    """The seconds of a step, and whether they are too many."""
    limit = walked.step.limit
    return f"{walked.seconds:.1f} s{OVER if limit and walked.seconds > limit else ''}"
