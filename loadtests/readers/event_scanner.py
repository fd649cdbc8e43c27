"""The fast parser: finds what the events of a reply say and where each ends. It asks the api for what an event means.

It must agree with `harness.protocol`, which judges a sample of the same streams. Of the API document's own tokens it
sees at a glance that they are tokens with text, without decoding them; whatever it does not recognise at a glance it
hands to that parser's own `decode_object` and to the api.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from chatproof.harness.protocol.apis.api import ANSWER, Api, Failure, Finish, Framing, Named, Part, Text
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ChatStream
from chatproof.harness.protocol.engineio import Emitted, PacketDecoder
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import JsonFault, Kind, decode_object
from chatproof.harness.protocol.snapshot_block import SnapshotBlock
from chatproof.loadtests.readers.websocket_frames import sole_text

_BOM: Final = b"\xef\xbb\xbf"
_UNNAMED: Final = "message"
# what a token begins with that has a text, or an empty one, whose quotation mark follows at once
TOKENS: Final = (b'{"token": "', b'{"token":"')
EMPTY_TOKENS: Final = (b'{"token": ""', b'{"token":""')
_TOKEN_PACKET: Final = b'42["chat_token",'
_PACKETS: Final = tuple(_TOKEN_PACKET + space + token for space in (b"", b" ") for token in TOKENS)
_EMPTY_PACKETS: Final = tuple(_TOKEN_PACKET + space + token for space in (b"", b" ") for token in EMPTY_TOKENS)
_TERMINALS: Final = (b'42["chat_complete"', b'42["chat_stream_error"')


class ScannedEvent(NamedTuple):
    """One thing that an event says. `end`: offset after the event's last byte.

    `text`: what it adds to the reply; None for a token that has one and was not decoded; of an error, what the client
    is told.
    """

    kind: Kind
    end: int
    text: str | None = ""

    @property
    def brings_text(self) -> bool:
        """Whether the user can read something new with it. An empty token is none."""
        return self.kind is Kind.TOKEN and self.text != ""


def is_token_at_a_glance(data: bytes) -> bool:
    """Whether an object of the API document's api is clearly a token with a text. Where not, it must be decoded."""
    return (
        data.startswith(TOKENS)
        and data.endswith(b"}")
        and not data.startswith(EMPTY_TOKENS)
        # these bytes are keys, or whole strings: inside a string quotes are escaped
        and b'"error"' not in data
        and b'"done"' not in data
    )


@dataclass(slots=True)
class ReplyScan:
    """What a reply said, in order. `faults`: one line for each. `conversation`, `message`: the server's own ids."""

    api: Api
    found: list[ScannedEvent] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    conversation: str = ""
    message: str = ""
    _blocks: dict[str, SnapshotBlock] = field(default_factory=dict)
    _is_over: bool = False

    @classmethod
    def of_body(cls, api: Api, body: bytes, *, whole: bool = True) -> ReplyScan:
        """Scan the body of an HTTP reply. Where it is not `whole`, the line and the event at the cut are no faults."""
        scan = cls(api)
        if api.framing is Framing.NDJSON:
            scan._lines(body)
        elif not (whole and scan._one_line_each(body)):
            scan = cls(api)
            scan._events(body, whole)
        return scan

    @property
    def text(self) -> str | None:
        """The reply's text; None where some of it was not decoded."""
        texts = [event.text for event in self.found if event.kind is Kind.TOKEN]
        return None if None in texts else "".join(filter(None, texts))

    def packet(self, packet: bytes, end: int) -> None:
        """Add a packet of Engine.IO."""
        if is_token_packet(self.api, packet):
            self.found.append(ScannedEvent(Kind.TOKEN, end, None))
        elif (parts := _emitted(self.api, packet)) is not None:
            self._say(parts, end, packet)

    def _lines(self, body: bytes) -> None:
        """NDJSON: a value in each line."""
        end = len(_BOM) if body.startswith(_BOM) else 0
        for line in body[end:].split(b"\n"):
            end += len(line) + 1
            if line.strip():
                text = line.decode("utf-8", "replace").removesuffix("\r")
                self._say(self.api.read(_UNNAMED, text, decode_object(text).body), min(end, len(body)), line)

    def _one_line_each(self, body: bytes) -> bool:
        """Scan a body in which every event is one `data: ` line. False: it is not such a body."""
        if b"\r" in body or not body.endswith(b"\n\n"):
            return False
        is_own, found, end = isinstance(self.api, ChatStream), self.found, 0
        for line in body[:-2].split(b"\n\n"):
            if b"\n" in line or not line.startswith(b"data: "):
                return False
            end += len(line) + 2
            if is_own and is_token_at_a_glance(line[6:]):
                found.append(ScannedEvent(Kind.TOKEN, end, None))
            else:
                self._datum(_UNNAMED, line[6:], end)
        return True

    def _events(self, body: bytes, whole: bool) -> None:
        lines: list[tuple[bytes, int]] = []  # data lines of the open event and where each ends
        name, length = _UNNAMED, len(body)
        start = len(_BOM) if body.startswith(_BOM) else 0
        while start < length:
            end = body.find(b"\n", start)
            stop = length if end < 0 else end
            line = body[start:stop].removesuffix(b"\r")
            start = stop + 1
            if line.startswith(b"data:"):
                lines.append((_value(line), min(start, length)))
            elif not line:
                self._event(name, lines, min(start, length))
                name, lines = _UNNAMED, []
            elif line == b"data":
                lines.append((b"", min(start, length)))
            elif line.startswith(b"event:"):
                name = _value(line).decode("utf-8", "replace") or _UNNAMED
            elif not line.startswith((b":", b"event", b"id", b"retry")) and (whole or end >= 0):
                self.faults.append(f"a line that is not SSE: {shown(line, 80)}")
        if lines:
            faults, self.faults = self.faults, []
            self._event(name, lines, length)
            self.faults = [*faults, *(self.faults if whole else ())]
            if whole and not self.faults:
                self.faults.append("the last event has no blank line after it")

    def _event(self, name: str, lines: list[tuple[bytes, int]], end: int) -> None:
        """Several `data` lines are one text; where that is no JSON, a blank line was forgotten: see `read_event`."""
        if not lines:
            return
        whole = b"\n".join(data for data, _ in lines)
        is_one = len(lines) == 1 or self.api.reads_raw
        if is_one or JsonFault.NOT_JSON not in decode_object(whole.decode("utf-8", "replace")).faults:
            self._datum(name, whole, end)
            return
        for data, its_end in lines:
            self._datum(name, data, its_end)

    def _datum(self, name: str, data: bytes, end: int) -> None:
        if isinstance(self.api, ChatStream) and is_token_at_a_glance(data):
            self.found.append(ScannedEvent(Kind.TOKEN, end, None))
            return
        text = data.decode("utf-8", "replace")
        body = decode_object(text).body
        if body is None and isinstance(self.api, ChatStream):
            self.faults.append(f"data that is not a JSON object: {shown(data, 80)}")
        else:
            self._say(self.api.read(name, text, body), end, data)

    def _say(self, parts: Iterable[Part], end: int, data: bytes) -> None:
        """As a transcript does. `data`: the event, of which an error without a text shows a part."""
        for part in parts:
            kind, text = Kind.OTHER, ""
            if isinstance(part, Named):
                self.conversation = self.conversation or part.conversation
                self.message = self.message or part.message
                continue
            if isinstance(part, Text) and part.channel == ANSWER:
                kind, text = Kind.TOKEN, part.text
                if part.snapshot:
                    text, changed = self._blocks.setdefault(part.block, SnapshotBlock()).take(text, len(self.found))
                    for place, left in changed:
                        self.found[place] = self.found[place]._replace(text=left)
                    kind = Kind.TOKEN if text else Kind.OTHER
            elif isinstance(part, Failure):
                kind, text, self._is_over = Kind.ERROR, shown(data, 120) if part.text is None else part.text, True
            elif isinstance(part, Finish) and not (part.closes and self._is_over):
                kind, self._is_over = Kind.COMPLETION, True
            self.found.append(ScannedEvent(kind, end, text))


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2].removeprefix(b" ")


def is_token_packet(api: Api, data: bytes, start: int = 0) -> bool:
    """Whether the packet that begins at `start` is clearly a token of the API document's api with a text."""
    return (
        data.startswith(_PACKETS, start)
        and data.endswith(b"}]")
        and not data.startswith(_EMPTY_PACKETS, start)
        and isinstance(api, ChatStream)
    )


def is_sole_token(api: Api, data: bytes) -> bool:
    """Whether bytes are one whole WebSocket frame with a token of the API document's api with a text, and no more."""
    return bool(start := sole_text(data)) and is_token_packet(api, data, start)


def is_token_frame(data: bytes) -> bool:
    """Whether bytes are one whole WebSocket frame with a token of the API document's api, empty or not, and no more."""
    return bool(start := sole_text(data)) and data.startswith(_TOKEN_PACKET, start)


def _emitted(api: Api, packet: bytes) -> Iterable[Part] | None:
    """What an event says that the server emitted; None where a packet is no event."""
    if not packet.startswith(b"42"):
        return None
    signal = PacketDecoder().feed(packet.decode("utf-8", "replace"))
    if not isinstance(signal, Emitted):
        return None
    return api.read_emitted(signal.name, signal.args[0] if signal.args else None)


def ends_reply(api: Api, packet: bytes) -> bool:
    """Whether a packet of Engine.IO is the terminal event of a reply."""
    if isinstance(api, ChatStream):
        return packet.startswith(_TERMINALS)
    return any(isinstance(part, Finish | Failure) for part in _emitted(api, packet) or ())
