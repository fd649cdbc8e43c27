"""Stop strings: where a request's `stop` ends the text of a script."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from chatproof.fake_providers.scripting.script import Call, Fail, Say, Script, Step
from chatproof.fake_providers.scripting.tokenizer import Vocabulary


class Stopped(NamedTuple):
    """A script that was cut, and the string at which it ends."""

    script: Script
    string: str


def cut_at(script: Script, stops: tuple[str, ...], vocabulary: Vocabulary = "o200k") -> Stopped | None:
    """The script up to the first of these strings in its text, which may span tokens and steps; None if none is there.

    As with the real APIs, the string itself is not sent, what follows is not made, and the finish reason is "stop".
    Text before and after a tool call or a thought is not read as one; thoughts and refusals are not searched. A fault
    that ends the reply before the string stays.
    """
    run, longest = "", max(map(len, stops))
    for number, step in enumerate(script.steps):
        if isinstance(step, Fail) and step.fault != "malformed":
            return None
        if isinstance(step, Call) or (isinstance(step, Say) and step.channel != "text"):
            run = ""
            continue
        if not isinstance(step, Say) or step.channel != "text":
            continue
        tokens = step.split(vocabulary)
        for index, token in enumerate(tokens, start=1):
            before, run = len(run), run + token
            found = [(at, stop) for stop in stops if (at := run.find(stop, max(0, before - longest + 1))) >= 0]
            if found:
                at, stop = min(found, key=lambda one: (one[0], -len(one[1])))
                kept = (*script.steps[:number], replace(step, tokens=tokens[:index], text="", repeat=1))
                cut = replace(script, steps=_without_end(kept, len(run) - at, vocabulary), finish_reason="stop")
                return Stopped(cut, stop)
    return None


def _without_end(steps: tuple[Step, ...], surplus: int, vocabulary: Vocabulary) -> tuple[Step, ...]:
    """The steps without the last `surplus` characters of their text."""
    cut: list[Step] = []
    for step in reversed(steps):
        if isinstance(step, Say) and step.channel == "text" and surplus:
            tokens = list(step.split(vocabulary))
            while tokens and surplus:
                last = tokens.pop()
                if len(last) > surplus:
                    tokens.append(last[:-surplus])
                surplus = max(0, surplus - len(last))
            step = replace(step, tokens=tuple(tokens), text="", repeat=1)
        cut.append(step)
    return tuple(reversed(cut))
