"""A strict, incremental parser of NDJSON bodies: one JSON value a line.

As the SSE parser, it takes bytes cut anywhere and gives all that they hold; it judges nothing and drops nothing. A line
ends in LF, which the last one need not have; a CR before it is white space to JSON. A blank line, with which servers
keep a connection alive, is a comment.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatproof.harness.protocol.sse_parser import BOM, BadText, Comment, Field, Item, Line, SseParser


@dataclass(slots=True)
class NdjsonParser(SseParser):
    """Feed it the body as it comes; it gives the lines that are complete so far, and at `close` the last one."""

    def _line(self, line: bytes, length: int, items: list[Item]) -> None:
        start, end = self._offset, self._offset + length
        self._offset = end
        if start == 0:
            line = line.removeprefix(BOM)
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            items.append(BadText(f"{error.reason} at byte {start + error.start} of the body", start, end))
            text = line.decode("utf-8", "replace")
        text = text.removesuffix("\r")
        if text.strip():
            items.append(Line((Field("data", text, False, end),), start, end))
        else:
            items.append(Comment(text, start, end))
