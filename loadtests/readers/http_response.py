"""Parses HTTP/1.1 responses: head, chunks, and whether the body is whole. Sans-IO.

Framing is judged strictly enough to recognise a cut reply. A stream over HTTP/1.0, or without a length, ends with its
connection and cannot show a cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from chatproof.harness.protocol.excerpts import shown

HEAD_END = b"\r\n\r\n"
MAX_HEAD = 64 * 1024
LAST_CHUNK = b"0\r\n\r\n"

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?")
_SIZE = re.compile(rb"[0-9a-fA-F]{1,12}")
_LENGTH = re.compile(r"[0-9]{1,18}")


class NotHttp(ValueError):
    """The answer is not HTTP; the text quotes its beginning."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Status and headers, names in lower case. `size`: bytes up to and with the blank line."""

    status: int
    headers: list[tuple[str, str]]
    size: int

    def get(self, name: str) -> str:
        """A header's value, repeated headers joined by commas; "" where it is missing."""
        return ", ".join(value for key, value in self.headers if key == name)

    @property
    def chunked(self) -> bool:
        return self.get("transfer-encoding").lower().rpartition(",")[2].strip() == "chunked"

    @property
    def length(self) -> int | None:
        """Content-Length; None where it is missing or not a number."""
        value = self.get("content-length").strip()
        return int(value) if _LENGTH.fullmatch(value) else None


def read_head(raw: bytes) -> ResponseHead | None:
    """The head of the final response, after any interim responses; None while it is incomplete. Raises NotHttp."""
    start = 0
    while True:
        end = raw.find(HEAD_END, start)
        if end < 0:
            if raw[start:] and not raw[start:].startswith(b"HTTP/"[: len(raw) - start]):
                raise NotHttp(f"not HTTP: {raw[start : start + 60]!r}")
            if len(raw) - start > MAX_HEAD:
                raise NotHttp("headers without an end")
            return None
        first, *lines = raw[start:end].split(b"\r\n")
        if (status := _STATUS.fullmatch(first)) is None:
            raise NotHttp(f"not HTTP: {shown(first, 60)}")
        start = end + len(HEAD_END)
        if int(status[1]) < 200 and int(status[1]) != 101:
            continue
        headers = []
        for line in lines:
            name, _, value = line.partition(b":")
            headers.append((name.decode("latin-1").strip().lower(), value.decode("latin-1").strip()))
        return ResponseHead(int(status[1]), headers, start)


@dataclass(slots=True)
class ResponseBody:
    """A body without its framing. `ends`: for each read, how many bytes of the body had arrived with it."""

    data: bytes
    ends: list[int]
    whole: bool
    fault: str = ""


def read_body(head: ResponseHead, raw: bytes, reads: Sequence[bytes], *, closed: bool) -> ResponseBody:
    """Remove the framing. `closed`: the server closed the connection, which ends a body without a length."""
    reached = list(accumulate(map(len, reads)))
    if head.chunked:
        return _chunks(head, raw, reached)
    length = head.length
    data = raw[head.size :] if length is None else raw[head.size : head.size + length]
    ends = [min(max(at - head.size, 0), len(data)) for at in reached]
    if length is None:
        return ResponseBody(data, ends, closed, "" if closed else "the connection was not closed cleanly")
    whole = len(data) == length
    return ResponseBody(data, ends, whole, "" if whole else f"only {len(data)} of the body's {length} bytes arrived")


def _chunks(head: ResponseHead, raw: bytes, reached: list[int]) -> ResponseBody:
    spans: list[tuple[int, int]] = []
    at, whole, fault = head.size, False, "the chunked body has no last chunk"
    while True:
        line_end = raw.find(b"\r\n", at)
        if line_end < 0:
            break
        size_text = raw[at:line_end]
        if not _SIZE.fullmatch(size_text):
            size_text = size_text.partition(b";")[0].strip()  # an extension, which is rare
        if not _SIZE.fullmatch(size_text):
            fault = f"not a chunk's size: {raw[at : at + 40]!r}"
            break
        size = int(size_text, 16)
        start = line_end + 2
        if size == 0:
            # trailers, if any, end with a blank line as the head does
            whole = raw.startswith(b"\r\n", start) or raw.find(HEAD_END, start) >= 0
            break
        end = start + size
        spans.append((start, min(end, len(raw))))
        if end + 2 > len(raw):
            break
        if raw[end : end + 2] != b"\r\n":
            fault = f"a chunk is longer than its size line says: {raw[end : end + 20]!r}"
            break
        at = end + 2
    data = b"".join(raw[start:end] for start, end in spans)
    return ResponseBody(data, _body_ends(spans, reached), whole, "" if whole else fault)


def _body_ends(spans: list[tuple[int, int]], reached: list[int]) -> list[int]:
    """How many bytes of the body had arrived with each read; both lists in order."""
    ends = []
    done, index = 0, 0  # bytes of whole spans so far
    for at in reached:
        while index < len(spans) and spans[index][1] <= at:
            done += spans[index][1] - spans[index][0]
            index += 1
        part = max(0, at - spans[index][0]) if index < len(spans) else 0
        ends.append(done + part)
    return ends
