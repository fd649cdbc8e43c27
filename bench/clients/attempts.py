"""What a client is asked to do with the fakes, and how a driver reports what came of it.

A driver is a program of its own: it runs in the environment of the clients, finds the fakes by the clients' own
variables, and writes one JSON object for each attempt: {"client", "api", "task", "problem"}.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

Task = Callable[[str, bool], Any]
"""Takes the API's name, and whether to stream. Raises where the client does not do what it should. May be async."""

QUESTION: Final = "What is the weather in Zürich?"
TOOL: Final = f"{QUESTION} scenario tool-call"
THINK: Final = f"{QUESTION} scenario reasoning"
_LONGEST: Final = 300
_DEADLINE_S: Final = 60


class _Late(BaseException):
    """No client catches it."""


def _end(*_: object) -> None:
    raise _Late(f"not done within {_DEADLINE_S} s")


signal.signal(signal.SIGALRM, _end)


class Tool:
    """The tool that the script `tool-call` calls, and how often it ran."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []

    def get_weather(self, city: str, unit: str) -> str:
        """Tell the weather in a city. `unit`: celsius or fahrenheit."""
        self.runs.append((city, unit))
        return f"It is sunny in {city}, and 21 degrees."

    def ran_once(self, answer: object) -> None:
        """Raise AssertionError unless it ran once with the script's arguments, and words ended the loop."""
        assert self.runs == [("Zürich", "celsius")], f"the tool ran {len(self.runs)} times: {self.runs[:3]}"
        is_text(answer)


def is_text(answer: object) -> None:
    assert isinstance(answer, str), f"no text but {answer!r}"
    assert answer.strip(), "an empty text"


def is_whole(value: object) -> None:
    """Raise AssertionError unless the value is an object of the type that was asked for."""
    assert value is not None, "nothing"
    assert not isinstance(value, str), f"a text, no object: {value[:80]!r}"


def were_counted(tokens: object) -> None:
    """OpenAI's chat completions never send what the model thinks: they count it."""
    assert isinstance(tokens, int), f"no reasoning tokens in the usage: {tokens!r}"
    assert tokens > 0, "0 reasoning tokens"


def attempt_all(client: str, apis: Iterable[str], tasks: Sequence[Task]) -> None:
    """Do each task with each API, whole and streamed, and report it."""
    for api in apis:
        for streamed in (False, True):
            for task in tasks:
                _attempt(client, api, task, streamed)


def _attempt(client: str, api: str, task: Task, streamed: bool) -> None:
    problem = None
    signal.alarm(_DEADLINE_S)
    try:
        if inspect.iscoroutine(running := task(api, streamed)):
            asyncio.run(running)
    except (Exception, _Late) as raised:
        text = " ".join(f"{type(raised).__name__}: {raised}".split())
        problem = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    finally:
        signal.alarm(0)
    shown = {"client": client, "api": f"{api}, streamed" if streamed else api, "task": task.__name__}
    line = json.dumps({**shown, "problem": problem}, ensure_ascii=False)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
