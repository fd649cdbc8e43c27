"""A client that is cheaper than any server: it searches raw bytes and sends the next request."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from bench.reply import WrongReply, events_in

_END: Final = b"0\r\n\r\n"
_DONE: Final = b"data: [DONE]\n\n"
_TAIL: Final = 64  # bytes: the last event and the end of the body lie within
_GRACE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Load:
    """Complete replies in a window of `seconds`. `client_cpu`: the share of a core that the client used."""

    streams: int
    seconds: float
    client_cpu: float

    @property
    def rate(self) -> float:
        """Streams a second."""
        return self.streams / self.seconds


async def load(
    port: int, request: bytes, connections: int, warm_s: float, seconds: float, mark: Callable[[], None]
) -> Load:
    """Repeat a request on this many connections. Calls `mark` at both ends of the window.

    Raises WrongReply for a wrong reply, OSError or TimeoutError for a missing one.
    """
    loop = asyncio.get_running_loop()
    run = _Run(request, loop.create_future())
    opened = [await loop.create_connection(lambda: _Asking(run), "127.0.0.1", port) for _ in range(connections)]
    gc.collect()
    gc.disable()
    try:
        async with asyncio.timeout(warm_s + seconds + _GRACE_S):
            for _, asking in opened:
                asking.ask()
            await run.during(warm_s)
            mark()
            streams, cpu, began = run.streams, time.process_time(), time.monotonic()
            await run.during(seconds)
            lasted = time.monotonic() - began
            mark()
            return Load(run.streams - streams, lasted, (time.process_time() - cpu) / lasted)
    finally:
        gc.enable()
        run.over = True
        for transport, _ in opened:
            transport.abort()
        await asyncio.sleep(0.05)


class _Run:
    """The state that all connections of one load share."""

    def __init__(self, request: bytes, failed: asyncio.Future[None]) -> None:
        self.request = request
        self.streams = 0
        self.events = 0
        self.over = False
        self._failed = failed

    def fail(self, problem: Exception) -> None:
        if not self.over and not self._failed.done():
            self._failed.set_exception(problem)

    async def during(self, seconds: float) -> None:
        await asyncio.wait([self._failed], timeout=seconds)
        if self._failed.done():
            self._failed.result()

    def check(self, reply: bytes) -> None:
        """Check the first reply in full, the others by their number of events and their end. Raises WrongReply."""
        if not self.events:
            self.events = events_in(reply)
        elif reply.count(b"data: ") != self.events or _DONE not in reply[-_TAIL:]:
            raise WrongReply(f"a reply with {reply.count(b'data: ')} events, not {self.events}: …{reply[-80:]!r}")


class _Asking(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self) -> None:
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._end = data[-5:] if len(data) >= 5 else (self._end + data)[-5:]
        if self._end != _END:
            return
        reply = b"".join(self._parts)
        self._parts.clear()
        self._run.streams += 1
        if not self._run.over:
            self._transport.write(self._run.request)
            self._loop.call_soon(self._check, reply)  # while the server works

    def _check(self, reply: bytes) -> None:
        try:
            self._run.check(reply)
        except Exception as problem:
            self._run.fail(problem)

    def connection_lost(self, exc: Exception | None) -> None:
        said = b"".join(self._parts)[:300]
        self._run.fail(WrongReply(f"the server closed the connection after {said!r}"))


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The arrival times of one stream's tokens, in time.monotonic() seconds."""

    times: Sequence[float]


async def arrivals(port: int, request: bytes, connections: int, spread_s: float) -> list[Arrivals]:
    """Send one request on each connection, evenly over `spread_s` seconds. Returns the arrivals of each stream."""
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(_Timing, "127.0.0.1", port) for _ in range(connections)]
    gc.collect()
    gc.disable()
    try:
        began = loop.time()
        for number, (_, timing) in enumerate(opened):
            loop.call_at(began + spread_s * number / connections, timing.ask, request)
        async with asyncio.timeout(spread_s + _GRACE_S):
            for _, timing in opened:
                await timing.done
    finally:
        gc.enable()
        for transport, _ in opened:
            transport.abort()
        await asyncio.sleep(0.05)
    return [timing.arrivals() for _, timing in opened]


class _Timing(asyncio.Protocol):
    """One connection that records the time of each read, and parses after the stream has ended."""

    def __init__(self) -> None:
        self._reads: list[tuple[float, bytes]] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> None:
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._reads.append((time.monotonic(), data))
        if data.endswith(_END) and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(WrongReply("the server closed the connection in the middle of a stream"))

    def arrivals(self) -> Arrivals:
        """Return the times at which the events of the tokens were complete."""
        events_in(b"".join(data for _, data in self._reads))
        times: list[float] = []
        rest = b""
        for at, data in self._reads:
            *events, rest = (rest + data).split(b"\n\n")
            times += [at] * sum(b'"content":"' in event and b'"content":""' not in event for event in events)
        return Arrivals(times)
