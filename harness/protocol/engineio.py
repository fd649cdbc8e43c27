"""Engine.IO v4 and Socket.IO v5 packets, sans-IO: text in, signals out, and the texts to send.

Source: the Engine.IO and Socket.IO protocol documents, versions 4 and 5, and the official JavaScript client: what makes
it give a socket up is malformed here. Only the default namespace `/`; binary attachments are counted and passed over,
since the API sends none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import is_number

SEPARATOR = "\x1e"  # between the packets of one polling payload
PONG = "3"
CLOSE = "1"
CONNECT = "40"
DISCONNECT = "41"
PROBE, PROBED, UPGRADE = "2probe", "3probe", "5"  # a client tries a WebSocket, hears that it works, and moves to it
BAD_KEPT = 100  # malformed packets that a decoder remembers

_SID = re.compile(r"[!-~]{1,1000}")  # what a request line can carry: ASCII without spaces
_LONGEST = 86_400_000.0  # ms of an interval: a day
_PACKET = re.compile(r"(?P<attachments>\d+-)?(?:(?P<namespace>/[^,]*),)?(?P<ack>\d+)?(?P<data>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Opened:
    """The handshake: intervals in seconds, and whether the server offers to move from polling to a WebSocket."""

    sid: str
    ping_interval: float
    ping_timeout: float
    offers_websocket: bool = False


@dataclass(frozen=True, slots=True)
class Pinged:
    """The server asks for a pong."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The server accepted the connection to the namespace."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """The server emitted an event."""

    name: str
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """The server closed the connection, or refused it."""

    why: str


@dataclass(frozen=True, slots=True)
class Bad:
    """A malformed packet, for which the official client gives the socket up."""

    why: str


Signal = Opened | Pinged | Joined | Emitted | Closed | Bad


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant)  # browsers know neither NaN nor Infinity


def emit(name: str, *args: Any, escape: bool = False) -> str:
    """The packet of an event that a client emits, in ASCII with `escape`."""
    return "42" + json.dumps([name, *args], ensure_ascii=escape, separators=(",", ":"))


def _is_duration(value: object) -> bool:
    """Whether it is a number of milliseconds that a client can wait."""
    return is_number(value) and 0 <= value <= _LONGEST


@dataclass(slots=True)
class PacketDecoder:
    """Turns packets into signals. Feed it one Engine.IO packet at a time."""

    bad: list[str] = field(default_factory=list)

    def feed(self, packet: str) -> Signal | None:
        """Give what a packet says, or None where it says nothing to a client (noop, ack)."""
        kind, rest = packet[:1], packet[1:]
        match kind:
            case "0":
                return self._opened(rest)
            case "1":
                return Closed("the server closed the connection")
            case "2":
                return Pinged()
            case "4":
                return self._message(rest)
            case "3" | "6" | "b":
                return None
            case "":
                return self._refuse("an empty Engine.IO packet")
        return self._refuse(f"Engine.IO packet of unknown type: {shown(packet, 60)}")

    def _opened(self, rest: str) -> Signal:
        try:
            data = json.loads(rest)
            sid, interval, timeout = data["sid"], data["pingInterval"], data["pingTimeout"]
            upgrades = data["upgrades"]  # a list, also where it is empty: the official client takes its length
            is_usable = _SID.fullmatch(str(sid)) and _is_duration(interval) and _is_duration(timeout)
            if is_usable and isinstance(upgrades, list):
                return Opened(str(sid), interval / 1000, timeout / 1000, "websocket" in upgrades)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        return self._refuse(f"not an Engine.IO handshake: {shown(rest, 120)}")

    def _message(self, rest: str) -> Signal | None:
        kind, match = rest[:1], _PACKET.fullmatch(rest[1:])
        assert match is not None  # every part of the pattern may be absent
        if match["namespace"] not in (None, "/"):
            return None
        match kind:
            case "0":
                return self._joined(match["data"])
            case "1":
                return Closed("the server disconnected the socket")
            case "4":
                return Closed(f"the server refused the connection: {shown(match['data'], 120)}")
            case "2" | "5":
                return self._event(match["data"])
            case "3" | "6":
                return None
        return self._refuse(f"Socket.IO packet of unknown type: {shown(rest, 60)}")

    def _joined(self, data: str) -> Signal:
        """The official client takes a server that gives no id for one of Socket.IO 2, and does not connect."""
        try:
            value = _STRICT.decode(data)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and value.get("sid"):
            return Joined()
        return self._refuse(f"a connect packet without a `sid`: {shown(data, 120)}")

    def _event(self, data: str) -> Signal:
        try:
            value = _STRICT.decode(data)
        except (ValueError, RecursionError):
            return self._refuse(f"an event that is not JSON: {shown(data, 120)}")
        if not isinstance(value, list) or not value or not isinstance(value[0], str):
            return self._refuse(f"an event that is not an array with a name: {shown(data, 120)}")
        return Emitted(value[0], tuple(value[1:]))

    def _refuse(self, why: str) -> Bad:
        why = f"{why}; the official client closes such a socket"
        if len(self.bad) < BAD_KEPT:
            self.bad.append(why)
        return Bad(why)
