"""The `chatproof` command: every part behind one word, from any directory."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from chatproof import __version__
from chatproof.harness.common.child_process import module_command
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.extras import needs
from chatproof.harness.common.options import OPTIONS, add_options
from chatproof.harness.common.suggestions import SuggestingParser, near

CHECK_HELP = """\
Run the conformance suite against a server. pytest's own options work too.
  chatproof check --base-url http://127.0.0.1:5000
  chatproof check --start "python server.py {port}" --report-json report.json
  chatproof check --base-url URL --only TOK --only END-03 -v

exit codes: 0 every MUST row passed; 1 a row is violated or not testable; 2 the suite could not judge (no server, a
fault of its own); 4 a wrong option or setting; 130 Ctrl-C or SIGTERM, with the
reports written."""
UNUSABLE: Final = 2  # exit code: the command itself could not be run
INTERRUPTED: Final = 130  # exit code: Ctrl-C or SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and give its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name, rest = (words[0], words[1:]) if words else ("", [])
    if name == "help":  # `chatproof help check`, as with other tools
        name, rest = (rest[0], ["--help"]) if rest else ("--help", [])
    if name in ("-h", "--help", "--version"):
        sys.stdout.write(f"chatproof {__version__}\n" if name == "--version" else _help())
        return 0
    if not name:
        sys.stderr.write(_help())
        return UNUSABLE
    if (command := COMMANDS.get(name)) is None:
        sys.stderr.write(f"chatproof: there is no command {name!r}; {_meant(name)}\n")
        return UNUSABLE
    try:
        return command.run(rest)
    except ChatproofError as error:
        sys.stderr.write(f"chatproof: {error}\n")
        return UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED


def check(arguments: Sequence[str]) -> int:
    """Run the suite in this process: all words are pytest's to read."""
    if list(arguments) in (["-h"], ["--help"]):
        parser = HelpParser(
            prog="chatproof check",
            description=CHECK_HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog="pytest's options: -v, -k, -x, -n 2 (pytest-xdist), --junit-xml FILE, …",
            usage="chatproof check [--base-url URL | --start COMMAND] [options]",
        )
        add_options(parser)
        parser.print_help()
        return 0
    import pytest  # here, since the other commands have no use for it

    from chatproof.conformance.suite.short_output import ShortOutput
    from chatproof.conformance.suite.stray_words import StrayWords

    interrupt = Interrupt()
    own = ["-c", str(Path(suite()) / "check.ini"), "--rootdir", suite(), "-p", "no:cacheprovider"]
    words = [suite(), *own, "-p", "no:asyncio", *arguments]  # pytest-asyncio warns where an ini does not name a scope
    code = int(pytest.main(words, plugins=[interrupt, ShortOutput(), StrayWords(arguments)]))
    if interrupt.happened:
        return INTERRUPTED
    return UNUSABLE if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED) else code


class Interrupt:
    """A plugin of pytest that notes Ctrl-C and SIGTERM, for which pytest has the exit code of an error."""

    happened = False

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """`excinfo` holds pytest's own exit too, and what pytest and pytest-xdist raise where the suite ends a run by
        itself, such as at its time limit: kinds of KeyboardInterrupt of their own."""
        self.happened = type(excinfo.value) is KeyboardInterrupt


def init(arguments: Sequence[str]) -> int:
    """Write a project's chatproof.toml."""
    from chatproof.harness.init_command import main as initialise

    return initialise(arguments)


def api(arguments: Sequence[str]) -> int:
    """Propose the table of an own api."""
    from chatproof.harness.sample_command import main as sample

    return sample(arguments)


def explain(arguments: Sequence[str]) -> int:
    """Print rows of the contract, or the whole contract as a page. Needs no server."""
    from chatproof.harness.protocol.requirements import contract
    from chatproof.harness.report.contract_page import page
    from chatproof.harness.report.explanation import explained

    parser = SuggestingParser(
        prog="chatproof explain",
        description="Print what a row of the contract demands, why, how it is tested, and how servers break it.",
        epilog="exit codes: 0 printed; 2 no row or group has this id",
    )
    parser.add_argument("id", nargs="*", help="a row (SSE-06), or a group for all of its rows (SSE)")
    parser.add_argument("--all", action="store_true", help="print the whole contract as a Markdown page")
    asked = parser.parse_args(arguments)
    rows = contract()
    if asked.all:
        sys.stdout.write(page(rows))
        return 0
    if not asked.id:
        parser.print_usage(sys.stderr)
        sys.stderr.write(f"chatproof explain: name a row or a group; groups: {', '.join(rows.titles)}\n")
        return UNUSABLE
    try:
        found = {row.id: row for word in asked.id for row in rows.named(word)}
    except LookupError as error:
        raise ChatproofError(f"explain: {error}") from error
    sys.stdout.write("\n\n".join(map(explained, found.values())) + "\n")
    return 0


def providers(arguments: Sequence[str]) -> int:
    """Run the fake providers in this process."""
    from chatproof.fake_providers.__main__ import main as fakes

    return fakes(arguments)


def serve(arguments: Sequence[str]) -> int:
    """Become `python -m chatproof.reference_server`."""
    needs("reference", "chatproof serve")
    return _become("reference_server", arguments)


def load(arguments: Sequence[str]) -> int:
    """Become `python -m chatproof.loadtests`."""
    needs("load", "chatproof load")
    return _become("loadtests", arguments)


@dataclass(frozen=True, slots=True)
class Command:
    """What a word runs, with the arguments behind it, and what it does in one line."""

    run: Callable[[Sequence[str]], int]
    about: str


COMMANDS: Final = {
    "init": Command(init, "look at your project and write its chatproof.toml, and with --ci github a workflow"),
    "check": Command(check, "test a server: chatproof check --base-url URL"),
    "api": Command(api, "describe an api of your own from a captured reply: chatproof api --sample FILE"),
    "explain": Command(explain, "say what a row of the contract demands, and why: chatproof explain SSE-06"),
    "providers": Command(providers, "run fake OpenAI, Gemini, Anthropic and Ollama APIs for servers and tests to call"),
    "serve": Command(serve, "run the reference server, a chat backend that passes the suite"),
    "load": Command(load, "put load on a server and judge its latency: chatproof load run --host URL"),
}


def _help() -> str:
    lines = [
        "usage: chatproof COMMAND [options]",
        "",
        "Proof that a streaming chat backend works. In your project: chatproof init, then chatproof check.",
        "",
        *(f"  {name:<10} {command.about}" for name, command in COMMANDS.items()),
        "",
        "chatproof COMMAND --help lists the options of a command; chatproof --version prints the version.",
        "",
    ]
    return "\n".join(lines)


def _meant(word: str) -> str:
    """What an unknown command was probably meant to be."""
    if word.startswith("--") and (
        flag := near(word.partition("=")[0], (flag for one in OPTIONS for flag in one.flags))
    ):
        return f"did you mean `chatproof check {flag}`?"
    found = near(word, COMMANDS)
    return f"did you mean {found}?" if found else f"commands: {', '.join(COMMANDS)}"


def _become(module: str, arguments: Sequence[str]) -> int:
    """Replace this process by one that runs the module. Returns only where a process cannot be replaced.

    gevent must patch the standard library before anything else imports it, and a signal must reach the run itself.
    """
    command = module_command(module, *arguments)
    if os.name == "posix":
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


class HelpParser(argparse.ArgumentParser):
    """Shows the suite's options as argparse does; pytest would bury them among its own."""

    def getgroup(self, _: str, title: str) -> SimpleNamespace:
        return SimpleNamespace(addoption=self.add_argument_group(title.removeprefix("chatproof: ")).add_argument)


def suite() -> str:
    """The folder of the suite."""
    return str(Path(__file__).parent.parent / "conformance")


if __name__ == "__main__":
    sys.exit(main())
