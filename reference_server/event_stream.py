"""Server-Sent Events: reading a provider's, writing ours."""

import re
from collections.abc import Iterable, Iterator, Mapping

import orjson

# A CR at the very end may be the first half of a CRLF: wait for the next bytes.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
_MAX_EVENT_BYTES = 1_000_000  # and of a line


def encode_event(event: Mapping[str, object]) -> bytes:
    """One event as one line: JSON escapes every line break within."""
    return b"data: " + orjson.dumps(event) + b"\n\n"


def decode_lines(body: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines of a body that may be cut into pieces anywhere, those together that one piece completes.

    One without its end is dropped. Raises ValueError for a line without end.
    """
    rest = b""
    for piece in body:
        *lines, rest = _LINE_END.split(rest + piece)
        if len(rest) > _MAX_EVENT_BYTES:
            raise ValueError("a line without end")
        yield lines


def decode_events(body: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The data of the events of a body that may be cut into pieces anywhere, even inside a character.

    Those that one piece completes come together. Works on bytes up to the end of a line, and knows only the line
    ends of the standard: `str.splitlines` and `httpx.Response.iter_lines` also break at U+2028 and its like, which
    are ordinary text here. An event without its blank line is dropped, as the standard says.

    Raises ValueError for bytes that are not UTF-8 and for an event without end.
    """
    data: list[bytes] = []
    size = 0
    for lines in decode_lines(body):
        events: list[bytes] = []
        for line in lines:
            size += len(line)
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line:
                if data:
                    events.append(b"\n".join(data))
                data = []
                size = 0
        if size > _MAX_EVENT_BYTES:
            raise ValueError("an event without end")
        if events:
            yield events
