"""The `chatproof` command: the suite behind one word, from any directory."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatproof import __version__
from chatproof.harness.common.options import add_options

CHECK_HELP = """\
Run the conformance suite. All options of the suite are taken as they are, pytest's own too:
  chatproof check --base-url http://127.0.0.1:5000
  chatproof check --start "python server.py {port}" --report-json report.json
  chatproof check --base-url URL --only TOK --only END-03 -v

exit codes: 0 every MUST row is kept; 1 one is violated or not testable; 2 the suite could not judge
(no server, a broken setting, its own fault); 4 unknown options."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and give its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["load"]:
        return load(words[1:])
    parser = argparse.ArgumentParser(
        prog="chatproof", description="Proof that a streaming chat backend works.", add_help=True
    )
    parser.add_argument("--version", action="version", version=f"chatproof {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="judge a server: chatproof check --base-url URL",
        description=CHECK_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="pytest's own options are taken too: -v, -k, -x, -n 2 (pytest-xdist), --junit-xml FILE, …",
        usage="chatproof check [--base-url URL | --start COMMAND] [options]",
        add_help=words[1:] in (["-h"], ["--help"]),
    )
    commands.add_parser("load", help="load a server and judge it: chatproof load run --host URL", add_help=False)
    if check.add_help:  # else all words are pytest's to read
        add_options(HelpParser(check))
    _, rest = parser.parse_known_args(words)
    return int(pytest.main([suite(), "--rootdir", suite(), "-p", "no:cacheprovider", *rest]))


def load(arguments: Sequence[str]) -> int:
    """Become `python -m chatproof.loadtests`. Returns only where a process cannot be replaced.

    gevent must patch the standard library before anything else has imported it, and a signal must reach the run itself.
    """
    command = [sys.executable, "-m", "chatproof.loadtests", *arguments]
    if os.name == "posix":
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


@dataclass(frozen=True, slots=True)
class HelpParser:
    """The suite's options as argparse shows them, which pytest would bury among its own."""

    parser: argparse.ArgumentParser

    def getgroup(self, _: str, title: str) -> _HelpGroup:
        return _HelpGroup(self.parser.add_argument_group(title.removeprefix("chatproof: ")))


@dataclass(frozen=True, slots=True)
class _HelpGroup:
    group: argparse._ArgumentGroup

    def addoption(self, *flags: str, **how: Any) -> None:
        self.group.add_argument(*flags, **how)


def suite() -> str:
    """The folder of the installed suite."""
    return str(Path(__file__).parent.parent / "conformance")


if __name__ == "__main__":
    sys.exit(main())
