"""Words of `chatproof check` that nobody knows: options with a typing error, and words that belong behind an option."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

import pytest

from chatproof.harness.common.options import OPTIONS
from chatproof.harness.common.suggestions import near
from chatproof.harness.protocol.requirements import contract

PYTESTS: Final = (  # those options of pytest that people use here
    *("--help", "--version", "--verbose", "--quiet", "--exitfirst", "--maxfail", "--color", "--tb", "--durations"),
    *("--junit-xml", "--collect-only", "--numprocesses", "--dist", "--timeout"),
)
FLAGS: Final = (*(flag for option in OPTIONS for flag in option.flags), *PYTESTS)


class StrayWords:
    """A plugin of pytest that ends `chatproof check` with one line and pytest's exit code of bad usage, 4.

    `given`: the words of the command line.
    """

    def __init__(self, given: Sequence[str]) -> None:
        self._given = tuple(given)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(
        self, early_config: pytest.Config, parser: pytest.Parser, args: list[str]
    ) -> Generator[None, object, object]:
        """Look at the words once every plugin has added its options. Raises pytest.UsageError."""
        result = yield
        if {"-h", "--help", "--version"} & set(self._given):
            return result
        known, unknown = parser.parse_known_and_unknown_args(args)
        if options := [word for word in unknown if word.startswith("-") and word in self._given]:
            raise pytest.UsageError(unknown_option(options[0]))
        if strays := [word for word in known.file_or_dir if word in self._given and not _is_test(word)]:
            raise pytest.UsageError(stray(strays[0], self._given))
        return result


def unknown_option(word: str) -> str:
    """What to say of an option that nobody has."""
    name = word.partition("=")[0]
    found = near(name, FLAGS)
    return f"chatproof: there is no option {name}; " + (
        f"did you mean {found}?" if found else "`chatproof check --help` lists them all"
    )


def stray(word: str, given: Sequence[str]) -> str:
    """What to say of a word that is no option and no value of one."""
    said = f"chatproof: what is {word!r}?"
    if "://" in word:
        return f"{said} To test the server at that address: --base-url {word}"
    rows = contract()
    if word.upper().rstrip(",") in {*rows.rows, *rows.titles}:
        return f"{said} To test several rows: --only {word.upper().rstrip(',')} for each, or --only A,B"
    if any(one.partition("=")[0] == "--start" for one in given):
        return f'{said} Quote the whole command: --start "server --port {{port}}"'
    return f"{said} To start a server with that command: --start {shlex.quote(word)}"


def _is_test(word: str) -> bool:
    """Whether a word names tests, which pytest takes: a folder, or a Python file."""
    path = Path(word.partition("::")[0])
    return path.is_dir() or (path.suffix == ".py" and path.exists())
