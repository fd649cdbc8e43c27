"""When a script's bytes are due: the same for every provider, who only says how a token is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

from fake_providers.frames import End, Fault, Frame
from fake_providers.script import Fail, Say, Script, Wait

SPLIT_PAUSE: Final = 0.003
"""Seconds between the pieces of a split step: enough for each to be its own read on loopback."""

_ENDS: Final[dict[Fault, End]] = {
    "stall": "stall",
    "close": "close",
    "cut": "cut",
    "reset": "reset",
    "garbage": "close",
}


class Encoder(Protocol):
    """How one provider writes the parts of a streamed reply."""

    def opening(self) -> bytes:
        """What comes before the first token, with it."""

    def token(self, text: str) -> bytes: ...

    def broken(self) -> bytes:
        """An event whose JSON is broken."""

    def error(self, fail: Fail) -> bytes:
        """An error object as the provider puts it into a stream."""

    def closing(self) -> bytes:
        """What says that the reply is finished."""


@dataclass
class Timeline:
    """A script's frames and how they end. `fail`: the last fault that the script meant, if any."""

    frames: list[Frame] = field(default_factory=list)
    end: End = "complete"
    end_due: float = 0.0
    fail: Fail | None = None


def play(script: Script, encoder: Encoder) -> Timeline:
    """Lay the script out in time. The end, finished or faulty, comes one inter-token delay after the last token."""
    line = Timeline()
    now, waited, spoken, spacing = 0.0, False, False, script.inter_token
    for step in script.steps:
        if isinstance(step, Wait):
            now, waited = now + step.seconds, True
            continue
        if isinstance(step, Fail):
            now += _delay(script, waited, spoken, spacing)
            line.fail = step
            if step.fault != "malformed":
                return _failed(line, step, now, encoder)
            line.frames.append(Frame(encoder.broken(), now))
            waited, spoken = False, True
            continue
        spacing = script.inter_token if step.inter_token is None else step.inter_token
        position = 0
        for token in step.tokens:
            now += _delay(script, waited, spoken, spacing)
            if not spoken:
                line.frames.append(Frame(encoder.opening(), now))
            payload = encoder.token(token)
            pieces = _pieces(payload, position, step)
            if position in step.split_bytes or (step.split_every and position and position % step.split_every == 0):
                now += SPLIT_PAUSE
            for piece in pieces[:-1]:
                line.frames.append(Frame(piece, now))
                now += SPLIT_PAUSE
            line.frames.append(Frame(pieces[-1], now, 1, token))
            position += len(payload)
            waited, spoken = False, True
    line.end_due = now + _delay(script, waited, spoken, spacing)
    if not spoken:
        line.frames.append(Frame(encoder.opening(), line.end_due))
    line.frames.append(Frame(encoder.closing(), line.end_due))
    return line


def _delay(script: Script, waited: bool, spoken: bool, spacing: float) -> float:
    if not spoken:
        return script.first_token
    return 0.0 if waited else spacing


def _failed(line: Timeline, fail: Fail, now: float, encoder: Encoder) -> Timeline:
    line.end_due = now
    line.end = _ENDS.get(fail.fault, "complete")
    if fail.fault == "error":
        line.frames.append(Frame(encoder.error(fail), now))
    return line


def _pieces(payload: bytes, position: int, step: Say) -> list[bytes]:
    """The payload cut where the step wants it, `position` being where it begins in the step's bytes."""
    stop = position + len(payload)
    if step.split_every:
        first = position - position % step.split_every + step.split_every
        cuts = list(range(first, stop, step.split_every))
    else:
        cuts = [cut for cut in step.split_bytes if position < cut < stop]
    edges = [0, *(cut - position for cut in cuts), len(payload)]
    return [payload[a:b] for a, b in pairwise(edges)]
