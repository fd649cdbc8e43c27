"""The axes of situations and their values: each with its reason, and the row that speaks for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an axis. `why`: the reason for it; `owners`: the row that says so where a server cannot bear it; a
    second one speaks for it over Socket.IO."""

    name: str
    why: str
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing in which situations differ. `plain`: its usual value; `values`: the others."""

    name: str
    about: str
    plain: str
    values: tuple[Value, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All values, the plain one first."""
        return (self.plain, *(one.name for one in self.values))

    def only(self, names: Collection[str]) -> Axis:
        """The axis with those of its odd values that are named."""
        return replace(self, values=tuple(one for one in self.values if one.name in names))


LATER = ("SES-15", "SIO-14")
REQUEST = Axis(
    "request",
    "how the client writes its request (over SSE)",
    "usual",
    (
        Value("accept-any", "`Accept: */*`: curl, and fetch in every browser", ("REQ-12",)),
        Value("accept-none", "no Accept: small HTTP clients", ("REQ-12",)),
        Value("charset", "`Content-Type: application/json; charset=utf-8`: axios, Java, .NET", ("REQ-12",)),
        Value("two-packets", "the body in two packets: any network", ("REQ-12",)),
        Value("query", "a query string: caches and trackers add one", ("REQ-12",)),
        Value("kept", "a connection that served before: every browser", ("REQ-12",)),
    ),
)
TRANSPORT = Axis(
    "transport",
    "how the reply comes",
    "sse",
    (
        Value("websocket", "the API document's Socket.IO client once it has upgraded", ("SIO-02",)),
        Value("polling", "Socket.IO behind proxies that know no WebSocket", ("SIO-02",)),
        Value("upgraded", "`io('http://…')` begins with polling and upgrades", ("SIO-13",)),
    ),
)
PLACE = Axis(
    "place",
    "what came before in the session",
    "first",
    (
        Value("second", "a chat has more than one exchange", LATER),
        Value("third", "what is kept once may be lost twice", LATER),
        Value("after-failed", "providers fail in mid-reply", LATER),
        Value("after-refused", "providers refuse requests", LATER),
        Value("after-stopped", "users stop replies", LATER),
        Value("no-id", "`session_id` may be left out", ("REQ-02",)),
        Value("other-transport", "SSE and Socket.IO share sessions", ("SES-11",)),
    ),
)
WIRE = Axis(
    "wire",
    "the legal form in which the provider writes its stream",
    "plain",
    (
        Value("framing", "other line ends, comments, no space: gateways and Python servers write so", ("TOK-07",)),
        Value("noise", "unknown fields, empty deltas, keep-alive events", ("TOK-07",)),
        Value("batched", "eight events in one write: a proxy that buffers", ("TOK-07",)),
        Value("split", "each event in four writes, cut in characters: TCP and TLS", ("TOK-07",)),
        Value("gzip", "a compressed stream: content delivery networks", ("TOK-07",)),
    ),
)
SIZE = Axis(
    "size",
    "how much the model says",
    "short",
    (
        Value("many", "a hundred tokens at once", ("TOK-06",)),
        Value("large", "tokens of 2 KB: what gateways put together", ("TOK-06",)),
    ),
)
COMPANY = Axis(
    "company",
    "what else the server does meanwhile",
    "alone",
    (Value("beside", "two other clients get their replies at the same time", ("PERF-05",)),),
)
AXES = (REQUEST, TRANSPORT, PLACE, WIRE, SIZE, COMPANY)


def value_of(axis: str, name: str) -> Value | None:
    """A value that is not its axis's plain one; None for the plain one."""
    return next((one for one in _all(axis) if one.name == name), None)


def _all(axis: str) -> Iterator[Value]:
    for one in AXES:
        if one.name == axis:
            yield from one.values
