"""Decodes a server's WebSocket frames (RFC 6455, 5.2), at a tenth of a WebSocket library's cost. Sans-IO.

Our client offers no extensions, so a frame is a header and its payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class BadFrame(ValueError):
    """A frame that a server must not send; the text says why."""


def sole_text(data: bytes) -> int:
    """Where the text begins in bytes that are one whole text message and nothing else; 0 for any other bytes."""
    if len(data) < 6 or data[0] != 0x81:
        return 0
    size = data[1]
    if size < 126:
        return 2 if len(data) == size + 2 else 0
    return 4 if size == 126 and len(data) == (data[2] << 8 | data[3]) + 4 else 0


@dataclass(slots=True)
class FrameDecoder:
    """Turns reads into whole messages and control frames: (opcode, payload). Raises BadFrame."""

    limit: int = 16 << 20  # bytes of one message
    _rest: bytes = b""
    _parts: list[bytes] = field(default_factory=list)
    _opcode: int = 0

    @property
    def begun(self) -> bytes:
        """The bytes of a frame that is not complete yet."""
        return self._rest

    @property
    def is_between(self) -> bool:
        """Whether all that was fed is whole, so that the next bytes begin a message."""
        return not (self._rest or self._parts)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Add the next bytes; give the messages and control frames that they complete."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, length = 0, len(data)
        while length - at >= 2:
            first, size = data[at], data[at + 1]
            start = at + 2
            if size == 126:
                if length - at < 4:
                    break
                size, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif size == 127:
                if length - at < 10:
                    break
                size, start = int.from_bytes(data[at + 2 : at + 10]), at + 10
            elif size > 127:
                raise BadFrame("a masked frame from the server")
            if size > self.limit:
                raise BadFrame(f"a frame of {size} bytes")
            if length - start < size:
                break
            at = start + size
            payload = data[start:at]
            if first == 0x81 and not self._parts:  # most frames: a whole text message
                yield TEXT, payload
            else:
                yield from self._other(first, payload)
        self._rest = data[at:]

    def _other(self, first: int, payload: bytes) -> Iterator[tuple[int, bytes]]:
        opcode, final = first & 0x0F, first & 0x80
        if first & 0x70:
            raise BadFrame(f"reserved bits in a frame's first byte {first:#x}")
        if opcode in (CLOSE, PING, PONG):
            if not final or len(payload) > 125:
                raise BadFrame("a control frame that is fragmented or too long")
            yield opcode, payload
            return
        if opcode not in (CONTINUATION, TEXT, BINARY) or (opcode == CONTINUATION) != bool(self._parts):
            raise BadFrame(f"opcode {opcode} is not allowed here")
        if opcode:
            self._opcode = opcode
        self._parts.append(payload)
        if sum(map(len, self._parts)) > self.limit:
            raise BadFrame(f"a message over {self.limit} bytes")
        if final:
            whole, self._parts = b"".join(self._parts), []
            yield self._opcode, whole
        elif not payload and len(self._parts) > 1000:
            raise BadFrame("a message of more than 1,000 frames, the last of them empty")
