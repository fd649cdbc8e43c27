"""What a script's timeline comes to, where every provider answers alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chatproof.fake_providers.dialects.base import Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.schedule import Timeline
from chatproof.fake_providers.scripting.script import Fail

TypedBody = tuple[tuple[str, str], bytes]
"""A content-type header, and the body."""

_GARBAGE: Final = b"\x00\x17\xfe\xed 5 fathoms of line, no protocol here\n\xff\xff"


def unanswered(line: Timeline, frames: Sequence[TimedFrame]) -> Reply | None:
    """The reply that is no HTTP response: garbage, or the connection's end before anything was sent; else None."""
    if line.fail is not None and line.fail.fault == "garbage":
        return Reply(None, (), (TimedFrame(_GARBAGE, line.end_due),), "close", 0.0, line.end_due, faulted=True)
    if line.end in ("close", "cut", "reset") and not frames:
        return Reply(None, (), (), line.end, 0.0, line.end_due, faulted=True, unfinished=True)
    return None


def streamed(line: Timeline, frames: tuple[TimedFrame, ...], headers: Headers, torn: Callable[[], bytes]) -> Reply:
    """The reply as a stream. `torn` gives the beginning of the chunk in which the fault "cut" ends it."""
    return Reply(
        status=200,
        headers=headers,
        frames=frames,
        end=line.end,
        end_due=line.end_due,
        chunked=True,
        torn=torn() if line.end == "cut" else b"",
        faulted=line.fail is not None,
        unfinished=line.fail is not None and line.fail.fault not in ("malformed", "open"),
    )


def error_reply(status: int, headers: Headers, body: bytes, due: float) -> Reply:
    """The answer of a script that fails with a status instead of a reply."""
    return Reply(status, headers, (TimedFrame(body, due),), "complete", due, due, faulted=True)


def status_reply(
    status: int, fail: Fail, due: float, headers: Headers, json: TypedBody, html_type: str = "text/html"
) -> Reply:
    """The answer of the fault "status", with the body that the script wants. `json`: the provider's own error."""
    content_type, body = json
    if fail.body == "empty":
        return error_reply(status, headers, b"", due)
    if fail.body == "html":  # as a proxy in front of the provider sends it
        content_type = ("content-type", html_type)
        body = b"<html><head><title>%d</title></head><body><h1>%d</h1></body></html>\n" % (status, status)
    return error_reply(status, (content_type, *headers), body, due)


def retry_after(fail: Fail) -> Headers:
    """The headers that say when to ask again, as far as the script has them."""
    headers: Headers = ()
    if fail.retry_after_s is not None:
        headers += (("retry-after", f"{fail.retry_after_s:g}"),)
    if fail.retry_after_ms is not None:
        headers += (("retry-after-ms", f"{fail.retry_after_ms:g}"),)
    return headers


def in_one_piece(line: Timeline, headers: Headers, body: Callable[[], bytes]) -> Reply:
    """The reply in one piece, sent when the script is over. Faults that break a stream break its body in the middle.

    The dialect handles the fault "error" before: each provider has a status of its own for it.
    """
    due = line.end_due
    if line.end == "stall":
        return Reply(None, end="stall", end_due=due, faulted=True, unfinished=True)
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
        unfinished=True,
    )
