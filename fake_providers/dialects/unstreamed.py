"""A reply that is not streamed, the same for every provider."""

from __future__ import annotations

from collections.abc import Callable

from chatproof.fake_providers.dialects.base import Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.schedule import Timeline


def in_one_piece(line: Timeline, headers: Headers, body: Callable[[], bytes]) -> Reply:
    """The reply in one piece, sent when the script is over. Faults that break a stream break its body in the middle.

    The dialect handles the fault "error" before: each provider has a status of its own for it.
    """
    due = line.end_due
    if line.end == "stall":
        return Reply(None, end="stall", end_due=due, faulted=True)
    whole = body()
    if line.fail is None:
        return Reply(200, headers, (TimedFrame(whole, due, line.tokens, line.text),), "complete", due, due)
    half, torn = whole[: len(whole) // 2], line.end == "cut"
    return Reply(
        status=200,
        headers=headers,
        frames=() if torn else (TimedFrame(half, due),),
        end=line.end,
        head_due=due,
        end_due=due,
        chunked=line.end != "complete",
        torn=half if torn else b"",
        faulted=True,
    )


def html_page(status: int) -> bytes:
    """The body that a proxy in front of the provider sends with an error status."""
    return b"<html><head><title>%d</title></head><body><h1>%d</h1></body></html>\n" % (status, status)
