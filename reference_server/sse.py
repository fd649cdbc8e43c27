"""Server-Sent Events: reading a provider's, writing ours."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

# A CR at the very end may be the first half of a CRLF: wait for the next bytes.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
_MAX_EVENT_BYTES = 1_000_000


def encode_event(event: Mapping[str, object]) -> bytes:
    """One event as one line: JSON escapes every line break within."""
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


def decode_events(body: Iterable[bytes]) -> Iterator[str]:
    """The data of each event of a body that may be cut into pieces anywhere, even inside a character.

    Works on bytes up to the end of a line, and knows only the line ends of the standard:
    `str.splitlines` and `httpx.Response.iter_lines` also break at U+2028 and its like, which are
    ordinary text here. An event without its blank line is dropped, as the standard says.

    Raises ValueError for bytes that are not UTF-8 and for an event without end.
    """
    rest = b""
    data: list[str] = []
    size = 0
    for piece in body:
        *lines, rest = _LINE_END.split(rest + piece)
        for line in lines:
            size += len(line)
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" ").decode())
            elif not line:
                if data:
                    yield "\n".join(data)
                data = []
                size = 0
        if size + len(rest) > _MAX_EVENT_BYTES:
            raise ValueError("an event without end")
