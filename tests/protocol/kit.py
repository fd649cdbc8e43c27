"""Transcripts made of bytes, for checks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from chatproof.harness.protocol.findings import Check, Finding, Unjudged, Violation
from chatproof.harness.protocol.transcript import End, Transcript, Transport

HEADERS = (
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache"),
    ("transfer-encoding", "chunked"),
)
WORDS = ("One", " two", " three")


def tokens(*words: str, start: int = 1) -> list[dict[str, Any]]:
    """Token events as the API document has them."""
    return [
        {"token": word, "count": start + index, "partial": "".join(words[: index + 1])}
        for index, word in enumerate(words)
    ]


def completion(text: str = "".join(WORDS), count: int = 3, duration: float = 2.0, **more: Any) -> dict[str, Any]:
    """A completion that fits."""
    return {
        "done": True,
        "tokens": count,
        "duration": duration,
        "tokens_per_second": round(count / duration, 2) if duration else 0,
        "full_response": text,
        "user": "anonymous",
        "timestamp": "2025-11-20T18:15:30.123456",
        **more,
    }


def sound() -> list[dict[str, Any]]:
    """A whole reply: three tokens, a second apart, and the completion."""
    return [*tokens(*WORDS), completion()]


def sse(
    events: Iterable[Any] | None = None,
    *,
    body: bytes | None = None,
    headers: Iterable[tuple[str, str]] = HEADERS,
    end: End = End.COMPLETE,
    ended: float | None = None,
    status: int = 200,
    fault: str = "",
) -> Transcript:
    """A transcript over SSE: one read for each event, one second apart, asked at 100."""
    transcript = Transcript(Transport.SSE, request="POST", asked_at=100.0)
    transcript.status, transcript.headers, transcript.answered_at = status, list(headers), 100.5
    pieces = [body] if body is not None else [f"data: {json.dumps(one)}\n\n".encode() for one in events or sound()]
    at = 100.0
    for piece in pieces:
        at += 1.0
        transcript.read(at, piece)
    transcript.ended(ended if ended is not None else at + 0.01, end, fault)
    return transcript


def socket(events: Iterable[tuple[str, Any]], end: End = End.COMPLETE) -> Transcript:
    """A transcript over Socket.IO, one second between events."""
    transcript = Transcript(Transport.WEBSOCKET, request="emit", asked_at=100.0)
    at = 100.0
    for name, data in events:
        at += 1.0
        transcript.event(at, name, data)
    transcript.ended(at + 0.01, end)
    return transcript


def violated(check: Check, transcript: Transcript) -> list[str]:
    """What a check saw."""
    return [finding.seen for finding in check(transcript) if isinstance(finding, Violation)]


def is_kept(check: Check, transcript: Transcript) -> bool:
    """The check found nothing."""
    return check(transcript) == []


def is_unjudged(check: Check, transcript: Transcript) -> bool:
    """The check says that it cannot tell."""
    findings: list[Finding] = check(transcript)
    return bool(findings) and all(isinstance(finding, Unjudged) for finding in findings)
