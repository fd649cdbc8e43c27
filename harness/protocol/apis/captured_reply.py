"""A reply that somebody captured with curl, taken apart: its headers, if they are there, and its events."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from chatproof.harness.protocol.apis.api import Framing
from chatproof.harness.protocol.apis.event_rule import SeenEvent
from chatproof.harness.protocol.apis.json_pointer import ABSENT
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.ndjson_parser import NdjsonParser
from chatproof.harness.protocol.sse_parser import Event, SseParser

_STATUS: Final = re.compile(rb"HTTP/[\d.]+ (\d{3})[^\n]*\n")
_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,8})(?:;[^\r\n]*)?\r\n")
_SSE_LINE: Final = re.compile(rb"^(?:data|event|id|retry):", re.MULTILINE)
_VERBOSE: Final = re.compile(rb"(?m)^(?:[*<>] ?|[{}] \[)[^\n]*\n?")
_ASKED: Final = re.compile(rb"(?m)^> ([A-Z]+) (\S+) HTTP/")
_NDJSON: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
_PACKED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
FEW: Final = 50  # lines that are looked at
WIDE: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}  # as PowerShell writes files


class NoStream(ValueError):
    """The sample is no stream of events; the text is one line that says what it is, and what to capture."""


@dataclass(frozen=True, slots=True)
class CapturedReply:
    """`status` is None where the sample has no headers. `asked`: the method and the path, where curl -v told them."""

    events: Sequence[SeenEvent]
    framing: Framing
    status: int | None = None
    content_type: str = ""
    asked: tuple[str, str] | None = None

    @classmethod
    def parse(cls, sample: bytes) -> Self:
        """Take a sample apart: what `curl -N`, `curl -iN` or `curl -vN` print.

        Raises:
            NoStream: there are no events in it.
        """
        text, asked = _plain(sample)
        status, headers, body = _split(text)
        kind = headers.get("content-type", "")
        if status is not None and status != 200:
            raise NoStream(f"the answer has status {status}: {_beginning(body)}; capture a reply that went well")
        if headers.get("content-encoding", "identity") != "identity" or body.startswith(_PACKED):
            raise NoStream("the body is compressed; capture it without Accept-Encoding (curl without --compressed)")
        framing = _framing(kind, body)
        parser = SseParser() if framing is Framing.SSE else NdjsonParser()
        found = [
            SeenEvent.over_http(item.name, "\n".join(item.data), None)
            for item in (*parser.feed(body), *parser.close())
            if isinstance(item, Event) and item.data
        ]
        if not found:
            raise NoStream(f"there is no event in it: {_beginning(body)}")
        return cls(found, framing, status, kind, asked)


def _plain(sample: bytes) -> tuple[bytes, tuple[str, str] | None]:
    """The sample in UTF-8, without what curl -v says of itself; and what it says was asked."""
    for mark, encoding in WIDE.items():
        if sample.startswith(mark):
            sample = sample[2:].decode(encoding, "replace").encode()
    sample = sample.removeprefix(b"\xef\xbb\xbf")
    if (asked := _ASKED.search(sample)) is None:
        head = re.search(rb"(?m)^HTTP/[\d.]+ \d{3}", sample)  # behind the command itself, or curl's progress
        is_behind = head and not _SSE_LINE.search(sample[: head.start()])
        return sample[head.start() :] if head and is_behind else sample, None
    told = b"".join(line[2:] for line in re.findall(rb"(?m)^< [^\n]*\n", sample))
    body = _VERBOSE.sub(b"", sample)
    if not _STATUS.match(body):  # without -i the headers stand in the lines of -v alone
        body = told + (b"" if told.endswith((b"\n\r\n", b"\n\n")) or not told else b"\r\n") + body.lstrip(b"\r\n")
    return body, (asked[1].decode("latin-1"), asked[2].decode("latin-1"))


def _split(text: bytes) -> tuple[int | None, dict[str, str], bytes]:
    """Status, headers with their names in lower case, and body. Answers before the last, such as 100, are left out."""
    status, headers = None, {}
    while match := _STATUS.match(text):
        head, blank, rest = _cut(text[match.end() :])
        if not blank and head:
            raise NoStream("it ends within the headers; let curl run until the reply is over")
        lines = (line.partition(":") for line in head.decode("latin-1").splitlines())
        status, headers, text = int(match[1]), {name.strip().lower(): value.strip() for name, _, value in lines}, rest
    if "chunked" in headers.get("transfer-encoding", ""):
        text = _joined(text)
    return status, headers, text


def _cut(text: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the first blank line, that line, and what follows."""
    if text.startswith((b"\r\n", b"\n")):
        return b"", b"\n", text.removeprefix(b"\r").removeprefix(b"\n")
    match = re.search(rb"\r?\n\r?\n", text)
    return (text[: match.start()], match[0], text[match.end() :]) if match else (text, b"", b"")


def _joined(body: bytes) -> bytes:
    """A chunked body without its sizes, as curl shows it unless `--raw` is given."""
    parts, place = [], 0
    while match := _SIZE.match(body, place):
        size = int(match[1], 16)
        parts.append(body[match.end() : match.end() + size])
        place = match.end() + size
        if size == 0:
            return b"".join(parts)
        if body[place : place + 2] != b"\r\n":
            break
        place += 2
    return b"".join(parts) if parts and place >= len(body) else body


def _framing(kind: str, body: bytes) -> Framing:
    """By the Content-Type, or by what stands there. Raises NoStream."""
    name = kind.partition(";")[0].strip().lower()
    if not body.strip():
        raise NoStream("the body is empty")
    if name == "text/event-stream" or (name not in _NDJSON and _SSE_LINE.search(body)):
        return Framing.SSE
    lines = [line for line in body.splitlines() if line.strip()]
    if name in _NDJSON or sum(map(_is_json, lines[:FEW])) > 1:
        return Framing.NDJSON
    if _is_json(body):
        raise NoStream('it is one JSON answer and no stream; perhaps the server wants `"stream": true` in the body')
    what = "an HTML page" if body.lstrip().startswith(b"<") else "neither server-sent events nor lines of JSON"
    raise NoStream(f"it is {what}: {_beginning(body)}")


def _beginning(body: bytes) -> str:
    return shown(body[:400].decode("utf-8", "replace"), 120)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_value(seen: SeenEvent) -> bool:
    """Whether an event holds a JSON value."""
    return seen.value is not ABSENT
