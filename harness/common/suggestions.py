"""What somebody meant who wrote a word that nobody knows: for commands, options, and values of a closed set."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import takewhile
from typing import Any, Final, NoReturn

_CHOICE: Final = re.compile(r"invalid choice: '(?P<word>.*)' \(choose from (?P<known>.*)\)$", re.DOTALL)


def near(word: str, known: Iterable[str]) -> str:
    """The known word that is most like `word`, or nothing. Capitals and underscores make no difference."""
    names = {one.lower().replace("_", "-"): one for one in known}
    found = get_close_matches(word.lower().replace("_", "-"), names, n=1)
    return names[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean X?`, or all known words where none is like it."""
    names = list(known)
    return f"did you mean {one}?" if (one := near(word, names)) else f"known: {', '.join(names)}"


class SuggestingParser(argparse.ArgumentParser):
    """Says what an unknown option, command or value was probably meant to be. Exit code 2, as argparse has it."""

    def parse_known_args(  # type: ignore[override]  # argparse has three overloads for the namespace
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """An unknown option comes before all else that is wrong: most often it explains what is missing."""
        words = sys.argv[1:] if args is None else list(args)
        flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
        if not any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            for word in takewhile(lambda one: one != "--", words):
                name = word.partition("=")[0]
                if name.startswith("--") and not any(flag.startswith(name) for flag in flags):
                    self.error(f"unknown option {name}; {did_you_mean(name, flags)}")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """End with the usage and one line."""
        if choice := _CHOICE.search(message):
            known = [one.strip("' ") for one in choice["known"].split(",")]
            if one := near(choice["word"], known):
                message = f"{message[: choice.start()]}there is no {choice['word']!r}; did you mean {one}?"
        super().error(message)
