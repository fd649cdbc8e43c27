"""A failure as one screen: the requirement, what was seen, what was expected, and the wire around that moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chatproof.harness.common.redaction import clipped_middle, redacted
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.requirements import Requirement
from chatproof.harness.protocol.sse_parser import written
from chatproof.harness.protocol.transcript import Message, Stamped, Transcript, Transport

LINES_AROUND = 5
WIDTH = 140
LONGEST = 8_000  # bytes of an event that are looked at: more than are shown, so that a secret is whole
GUILTY = 600  # characters of the event that violates the row
SAID = 1_000  # characters of a finding


def screen(requirement: Requirement, violation: Violation, transcript: Transcript | None, provider: str = "") -> str:
    """Lay out one violation. `provider`: what the fake provider did in this exchange, or nothing."""
    lines = [
        f"{requirement.id} ({requirement.level}) {requirement.text}",
        f"  seen:     {_short(violation.seen, SAID)}",
        f"  expected: {_short(violation.expected, SAID)}",
    ]
    if provider:
        lines.append(f"  provider: plays {_short(provider, SAID)}")
    if transcript is not None:
        lines.append("  wire:")
        lines += [f"    {line}" for line in wire(transcript, violation.at, violation.event)]
    return redacted("\n".join(lines))


def reasons(requirement: Requirement) -> list[str]:
    """Why the contract demands it, and how servers usually break it: what helps to mend the server."""
    told = (("why:", requirement.why), ("typical fault:", requirement.typical))
    return [f"  {name} {text}" for name, text in told if text]


def repetition(by_hand: str, command: str) -> list[str]:
    """How to repeat a failure. Python lines begin at the left edge, so that they can be copied.

    Args:
        by_hand: lines for a shell that send the same again, or nothing.
        command: the command that judges the row alone, or nothing.
    """
    lines = [f"  repeat: {by_hand}"] if by_hand and "\n" not in by_hand else []
    if not lines and by_hand:
        lines = ["  repeat, in a shell:", *by_hand.split("\n")]
    return [*lines, f"  judge it alone: {command}"] if command else lines


@dataclass(frozen=True, slots=True)
class _Mark:
    """A line of the excerpt: when (seconds), and its text, or the event that it shows. `is_whole`: it is all that is
    known of an answer, so more of it is shown."""

    at: float
    text: str = ""
    shows: Message | Stamped | None = None
    is_whole: bool = False

    def is_of(self, event: Message | Stamped) -> bool:
        if isinstance(self.shows, Stamped) and isinstance(event, Message):
            return any(one.body is event.body for one in self.shows.decoded)
        return self.shows is event


def wire(transcript: Transcript, spot: float | None, event: Message | Stamped | None = None) -> list[str]:
    """The exchange in lines with millisecond offsets; of a long one only the part around `event`, or around `spot`."""
    start = transcript.asked_at
    marks = [_Mark(start, f"> {transcript.request}")]
    if transcript.status is not None:
        head = f"< {transcript.status} {transcript.header('content-type') or ''}".rstrip()
        marks.append(_Mark(transcript.answered_at or start, head))
    marks += _body(transcript)
    if transcript.end is not None:
        detail = f" ({transcript.fault})" if transcript.fault else ""
        marks.append(_Mark(transcript.ended_at or start, f"= {transcript.end}{detail}"))
    marks.sort(key=lambda mark: mark.at)
    guilty = next((index for index, mark in enumerate(marks) if event is not None and mark.is_of(event)), None)
    middle = len(marks) - 1 if guilty is None else guilty
    if guilty is None and spot is not None:
        middle = next((index for index, mark in enumerate(marks) if mark.at >= spot), middle)
    culprit = None if guilty is None else marks[guilty]
    lines, body = [], transcript.body
    for mark in _around(marks, middle):
        text = _short(_text(mark, body), GUILTY if mark is culprit or mark.is_whole else WIDTH)
        if mark is culprit:
            text += "  <-- here"
        lines.append(f"{(mark.at - start) * 1000:+9.1f} ms  {text}")
    return lines


def _body(transcript: Transcript) -> Iterable[_Mark]:
    if transcript.transport is not Transport.SSE:
        return [_Mark(one.at, shows=one) for one in transcript.messages]
    if not transcript.items:
        return [_Mark(read.at, f"< {_told(read.data)}", is_whole=True) for read in transcript.reads[:LINES_AROUND]]
    return [_Mark(one.at, shows=one) for one in transcript.items]


def _text(mark: _Mark, body: bytes) -> str:
    """What the line says. An event far into a long body is written anew from what is kept of it."""
    if isinstance(mark.shows, Message):
        return f"< {mark.shows.name} {dict(mark.shows.body)}"
    if mark.shows is None:
        return mark.text
    item = mark.shows.item
    if item.end > len(body):
        return f"< {written(item)!r}"
    return f"< {body[item.start : min(item.end, item.start + LONGEST)].decode('utf-8', 'replace')!r}"


def _told(data: bytes) -> str:
    """The bytes of an answer that is no stream: as text, where they are text."""
    try:
        return repr(data[:LONGEST].decode())
    except UnicodeDecodeError:
        return repr(data[:LONGEST])


def _around(marks: list[_Mark], middle: int) -> list[_Mark]:
    """The first line, and those around the one in the middle."""
    if len(marks) <= 2 * LINES_AROUND + 2:
        return marks
    first, last = max(1, middle - LINES_AROUND), min(len(marks), middle + LINES_AROUND + 1)
    part = marks[first:last]
    if first > 1:
        part.insert(0, _Mark(part[0].at, f"… {counted(first - 1, 'line')}"))
    if last < len(marks):
        part.append(_Mark(part[-1].at, f"… {counted(len(marks) - last, 'line')}"))
    return [marks[0], *part]


def _short(text: str, longest: int = WIDTH) -> str:
    return clipped_middle(text.replace("\n", "\\n"), longest)
