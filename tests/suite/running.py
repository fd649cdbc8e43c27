"""How these tests run the suite: in a process of its own, as a user does, or as a library in this one.

A process takes one to two seconds to come up. So only one test for each kind of outcome starts one; all others call
`judged_here`, or read the settings.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chatproof.conformance.suite.judge import judge
from chatproof.conformance.suite.outcome import CODES
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report import remarks, start_here, verdict_line
from chatproof.harness.report.verdicts import Row

ROOT = Path(__file__).parents[2]
PASS, FAIL, ERROR, USAGE = 0, 1, 2, 4
OWN = "chatproof.pytest_plugin"
ASYNCIO = "pytest_asyncio.plugin"  # the checkout's configuration sets its mode
XDIST = "xdist.plugin"


def pytest_words(*plugins: str) -> list[str]:
    """`python -m pytest` with these plugins alone, without a cache; see `few_plugins`."""
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *named(OWN, *plugins)]


def named(*plugins: str) -> list[str]:
    """pytest's words for plugins."""
    return [word for plugin in plugins for word in ("-p", plugin)]


def few_plugins(**more: str) -> dict[str, str]:
    """Variables for a process in which pytest loads only the plugins that are named: that saves a second each time."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return {**variables, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **more}


def suite(*options: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run `pytest conformance` in the checkout."""
    command = [*pytest_words(ASYNCIO), "conformance", *options]
    return subprocess.run(
        command, cwd=ROOT, env=few_plugins(), capture_output=True, text=True, timeout=timeout, check=False
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """The exit code, the line that the suite says of the whole run, each row's verdict, and what a terminal shows."""

    code: int
    text: str
    verdicts: dict[str, str]
    rows: Sequence[Row]
    output: str


async def judged_here(**options: object) -> Judged:
    """Run the suite in this process. The options have the names of the fields of Settings."""
    said: list[str] = []
    summary = await judge(Settings.read(options, contract()), say=said.append)
    verdicts = {row.requirement.id: row.verdict.value for row in summary.rows}
    output = "\n".join([*said, *start_here(summary.causes), *remarks(summary.rows), verdict_line(summary)])
    return Judged(CODES[summary.verdict], summary.error, verdicts, summary.rows, output)


def says(judged: Judged, code: int, words: Sequence[str]) -> None:
    """Assert the exit code, and that the text is one line with all the words."""
    assert judged.code == code, judged
    assert len(judged.text.splitlines()) == 1, judged.text
    assert all(word in judged.text for word in words), judged.text
