"""When a script's bytes are due. The same for every provider: an Encoder says only how a token is written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import Final, Protocol

from chatproof.fake_providers.dialects.base import End, TimedFrame
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.delays import draws
from chatproof.fake_providers.scripting.faults import Fault
from chatproof.fake_providers.scripting.script import Call, Fail, Say, Script, Step, Wait
from chatproof.fake_providers.scripting.steps import Channel
from chatproof.fake_providers.scripting.tokenizer import Vocabulary

SPLIT_PAUSE: Final = 0.003
"""Seconds between the pieces of a split step: long enough for each to be a read of its own on loopback."""

_ENDS: Final[dict[Fault, End]] = {
    "stall": "stall",
    "close": "close",
    "cut": "cut",
    "reset": "reset",
    "garbage": "close",
    "open": "stall",
}


class Encoder(Protocol):
    """How one provider writes the parts of a streamed reply.

    `fragments`: whether it streams a tool call's arguments in pieces. `silent`: the channels whose tokens take time
    but are not sent; the encoder is told of them all the same, and writes nothing.
    """

    fragments: bool

    @property
    def silent(self) -> tuple[Channel, ...]: ...

    def opening(self) -> bytes:
        """What is sent before the first token, in the same write."""

    def token(self, text: str) -> bytes: ...

    def thinking(self, text: str, first: bool) -> bytes:
        """A token of the model's thoughts. `first`: it begins a step of the script."""

    def refusal(self, text: str) -> bytes: ...

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        """A part of the reply's call number `index` (from 0).

        With `fragments`: once with `first` and None, then each fragment of the arguments' JSON text.
        Without: once, with `first` and the whole text.
        """

    def broken(self) -> bytes:
        """An event whose JSON is broken."""

    def error(self, fail: Fail) -> bytes:
        """An error object as the provider puts it into a stream."""

    def closing(self, finish_reason: str) -> bytes:
        """The end of a finished reply, with its reason: "stop", "length", "content_filter" or "tool_calls"."""


@dataclass
class Timeline:
    """A script's frames, their end and their content. `fail`: the last fault of the script, if any."""

    frames: list[TimedFrame] = field(default_factory=list)
    end: End = "complete"
    end_due: float = 0.0
    fail: Fail | None = None
    finish_reason: str = "stop"
    said: list[str] = field(default_factory=list)
    """The text's tokens."""
    thoughts: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    """The tool calls that were sent; the last one's arguments may be cut."""
    tokens: int = 0
    """The number of tokens that the model made, thoughts and tool calls' arguments included."""

    @property
    def text(self) -> str:
        return "".join(self.said)

    @property
    def refusal(self) -> str:
        return "".join(self.refused)


def play(
    script: Script,
    encoder: Encoder,
    max_tokens: int | None = None,
    *,
    key: str = "",
    thinks: bool = True,
    vocabulary: Vocabulary = "o200k",
) -> Timeline:
    """Lay the script out in time. The end, finished or faulty, comes one inter-token delay after the last token.

    Past `max_tokens` the reply ends with the finish reason "length". Delays are drawn from the script's
    seed and `key`, which stands for the request (`Ask.key`). Texts are split by `vocabulary`.
    """
    steps = script.steps if thinks else tuple(step for step in script.steps if not _is_thinking(step))
    return _Layout(script, steps, encoder, max_tokens, key, vocabulary).line


class _Full(Exception):
    """The token limit is reached."""


class _Layout:
    """Lays one script out; `line` is the result."""

    def __init__(
        self,
        script: Script,
        steps: tuple[Step, ...],
        encoder: Encoder,
        max_tokens: int | None,
        key: str,
        vocabulary: Vocabulary,
    ) -> None:
        self.line = Timeline(finish_reason=script.finish_reason)
        self._encoder = encoder
        self._vocabulary = vocabulary
        self._left = math.inf if max_tokens is None else max_tokens
        self._random = Random(f"{script.seed}\n{key}")
        self._first = draws(script.first_token, self._random)
        self._usual = self._spacing = draws(script.inter_token, self._random)
        self._now, self._waited, self._spoken, self._opened = 0.0, False, False, False
        try:
            closed = all(self._step(step) for step in steps)
        except _Full:
            self.line.finish_reason, closed = "length", True
        if closed:
            self._close()

    def _step(self, step: Step) -> bool:
        """Lay one step out. False if it was a fault that ends the reply."""
        if isinstance(step, Wait):
            self._now, self._waited = self._now + step.seconds, True
        elif isinstance(step, Fail):
            return self._fail(step)
        else:
            own = step.inter_token
            self._spacing = self._usual if own is None else draws(own, self._random)
            if isinstance(step, Say):
                self._say(step)
            else:
                self._call(step)
        return True

    def _say(self, step: Say) -> None:
        position, every = 0, step.split_every
        words = {"text": self.line.said, "thinking": self.line.thoughts, "refusal": self.line.refused}[step.channel]
        silent = step.channel in self._encoder.silent
        for number, token in enumerate(step.split(self._vocabulary)):
            self._count()
            self._advance(silent=silent)
            payload = last = self._encoded(step.channel, token, number == 0)
            words.append(token)
            if silent:
                continue
            if every or step.split_bytes:
                *pieces, last = _pieces(payload, position, step)
                if position in step.split_bytes or (every and position and position % every == 0):
                    self._now += SPLIT_PAUSE
                for piece in pieces:
                    self._add(piece)
                    self._now += SPLIT_PAUSE
            self._add(last, 1, token if step.channel == "text" else "")
            position += len(payload)

    def _encoded(self, channel: Channel, token: str, first: bool) -> bytes:
        if channel == "thinking":
            return self._encoder.thinking(token, first)
        return self._encoder.refusal(token) if channel == "refusal" else self._encoder.token(token)

    def _call(self, call: Call) -> None:
        index, pieces, so_far = len(self.line.calls), tokenizer.split(call.arguments, self._vocabulary), ""
        whole = not self._encoder.fragments
        for number, piece in enumerate(pieces):
            self._count()
            self._advance()
            so_far += piece
            if whole:
                # The model takes the time of all the tokens, and this API sends the call after the last one.
                continue
            if number == 0:
                self._add(self._encoder.call(index, call.name, None, True))
                self.line.calls.append(call)
            self._add(self._encoder.call(index, call.name, piece, False), 1)
            self.line.calls[-1] = replace(call, arguments=so_far)
        if whole:
            self._add(self._encoder.call(index, call.name, call.arguments, True), len(pieces))
            self.line.calls.append(call)

    def _fail(self, fail: Fail) -> bool:
        self._now += self._delay()
        self.line.fail = fail
        if fail.fault == "malformed":
            self._add(self._encoder.broken())
            self._waited, self._spoken, self._opened = False, True, True
            return True
        if fail.fault == "open":
            self._close()
        self.line.end_due = self._now
        self.line.end = _ENDS.get(fail.fault, "complete")
        if fail.fault == "error":
            self._add(self._encoder.error(fail))
        return False

    def _close(self) -> None:
        self._now += self._delay()
        self.line.end_due = self._now
        self._open()
        self._add(self._encoder.closing(self.line.finish_reason))

    def _count(self) -> None:
        if self.line.tokens >= self._left:
            raise _Full
        self.line.tokens += 1

    def _advance(self, *, silent: bool = False) -> None:
        """Advance to the time of the next token; before the first one that is sent, open the reply."""
        self._now += self._delay()
        if not silent:
            self._open()
        self._waited, self._spoken = False, True

    def _open(self) -> None:
        if not self._opened:
            self._add(self._encoder.opening())
        self._opened = True

    def _delay(self) -> float:
        if not self._spoken:
            return next(self._first)
        return 0.0 if self._waited else next(self._spacing)

    def _add(self, payload: bytes, said: int = 0, text: str = "") -> None:
        self.line.frames.append(TimedFrame(payload, self._now, said, text))


def _is_thinking(step: Step) -> bool:
    return isinstance(step, Say) and step.channel == "thinking"


def _pieces(payload: bytes, position: int, step: Say) -> list[bytes]:
    """The payload, cut where the step says. `position`: where it begins in the step's bytes."""
    stop = position + len(payload)
    if step.split_every:
        first = position - position % step.split_every + step.split_every
        cuts = list(range(first, stop, step.split_every))
    else:
        cuts = [cut for cut in step.split_bytes if position < cut < stop]
    edges = [0, *(cut - position for cut in cuts), len(payload)]
    return [payload[a:b] for a, b in pairwise(edges)]
