"""Write our server-sent events, and read those of a provider."""

import re
from collections.abc import Iterable, Iterator, Mapping

import orjson

# A CR at the end of the bytes may be the first half of a CRLF: wait for more bytes.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
_MAX_EVENT_BYTES = 1_000_000  # also the bound of a line


def encode_event(event: Mapping[str, object]) -> bytes:
    """Encode one event as one `data:` line. JSON escapes every line break in it."""
    return b"data: " + orjson.dumps(event) + b"\n\n"


def decode_lines(body: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Split a body, received in pieces of any size, into lines. Yields the lines that each piece completes.

    The last line needs no line end. Raises ValueError for a line of more than 1,000,000 bytes.
    """
    rest = b""
    for piece in body:
        *lines, rest = _LINE_END.split(rest + piece)
        if len(rest) > _MAX_EVENT_BYTES:
            raise ValueError("a line is too long")
        yield lines
    if rest:
        yield [rest]


def decode_events(body: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Read the data of each event of a body, received in pieces of any size, even cut inside a character.

    Yields the data of the events that each piece completes. Lines end only as the standard says: by CRLF, LF or CR.
    `str.splitlines` and `httpx.Response.iter_lines` also break at U+2028 and the like, which are ordinary text here.
    An event without its blank line is dropped, as the standard says.

    Raises ValueError for an event or a line of more than 1,000,000 bytes.
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
            raise ValueError("an event is too long")
        if events:
            yield events
