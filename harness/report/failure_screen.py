"""A failure as one screen: the requirement, what was seen, what was expected, and the wire around that moment."""

from __future__ import annotations

from collections.abc import Iterable

from chatproof.harness.common.redaction import clipped, redacted
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.requirements import Requirement
from chatproof.harness.protocol.transcript import Transcript, Transport

LINES_AROUND = 5
WIDTH = 140
LONGEST = 8_000  # bytes of an event that are looked at: more than are shown, so that a secret is whole
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
        lines += [f"    {line}" for line in wire(transcript, violation.at)]
    return redacted("\n".join(lines))


def reasons(requirement: Requirement) -> list[str]:
    """Why the contract demands it, and how servers usually break it: what helps to mend the server."""
    told = (("why:", requirement.why), ("typical fault:", requirement.typical))
    return [f"  {name} {text}" for name, text in told if text]


def wire(transcript: Transcript, spot: float | None) -> list[str]:
    """The exchange in lines with millisecond offsets; of a long one only the part around `spot`."""
    start = transcript.asked_at
    marks: list[tuple[float, str]] = [(start, f"> {transcript.request}")]
    if transcript.status is not None:
        head = f"< {transcript.status} {transcript.header('content-type') or ''}".rstrip()
        marks.append((transcript.answered_at or start, head))
    marks += _body(transcript)
    if transcript.end is not None:
        detail = f" ({transcript.fault})" if transcript.fault else ""
        marks.append((transcript.ended_at or start, f"= {transcript.end}{detail}"))
    marks.sort(key=lambda mark: mark[0])
    return [f"{(at - start) * 1000:+9.1f} ms  {_short(text)}" for at, text in _around(marks, spot)]


def _body(transcript: Transcript) -> Iterable[tuple[float, str]]:
    if transcript.transport is not Transport.SSE:
        return [(message.at, f"< {message.name} {dict(message.body)}") for message in transcript.messages]
    if not transcript.items:
        return [(read.at, f"< {read.data[:LONGEST]!r}") for read in transcript.reads[:LINES_AROUND]]
    body = transcript.body
    ends = (min(one.item.end, one.item.start + LONGEST) for one in transcript.items)
    texts = (
        body[one.item.start : end].decode("utf-8", "replace") for one, end in zip(transcript.items, ends, strict=True)
    )
    return [(one.at, f"< {text!r}") for one, text in zip(transcript.items, texts, strict=True)]


def _around(marks: list[tuple[float, str]], spot: float | None) -> list[tuple[float, str]]:
    if len(marks) <= 2 * LINES_AROUND + 2:
        return marks
    middle = len(marks) - 1
    if spot is not None:
        middle = next((index for index, (at, _) in enumerate(marks) if at >= spot), middle)
    first, last = max(1, middle - LINES_AROUND), min(len(marks), middle + LINES_AROUND + 1)
    part = marks[first:last]
    if first > 1:
        part.insert(0, (part[0][0], f"… {first - 1} lines"))
    if last < len(marks):
        part.append((part[-1][0], f"… {len(marks) - last} lines"))
    return [marks[0], *part]


def _short(text: str, longest: int = WIDTH) -> str:
    return clipped(text.replace("\n", "\\n"), longest)
