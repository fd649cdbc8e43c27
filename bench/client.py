"""A client that costs less than any server: raw bytes in, a few searches, the next request out."""

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
    """Complete replies in a window of so many seconds; `client_cpu`: the share of a core that the client used."""

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
    """Ask over and over on so many connections. `mark` is called at both ends of the window.

    WrongReply where a reply is not the one that was asked for; OSError, TimeoutError where none comes.
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
    """What the connections of one load share."""

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
        """The first reply in full, the others by their number of events and their end."""
        if not self.events:
            self.events = events_in(reply)
        elif reply.count(b"data: ") != self.events or _DONE not in reply[-_TAIL:]:
            raise WrongReply(f"a reply with {reply.count(b'data: ')} events, not {self.events}: …{reply[-80:]!r}")


class _Asking(asyncio.Protocol):
    """One connection, kept alive."""

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
    """When the tokens of one stream came, in time.monotonic() seconds."""

    times: Sequence[float]


async def arrivals(port: int, request: bytes, connections: int, spread_s: float) -> list[Arrivals]:
    """Ask once on each connection, the first requests evenly over `spread_s` seconds; note when each token came."""
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
    """One connection that stamps each read and looks into it afterwards."""

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
        """A token is there when its event has come to its end."""
        events_in(b"".join(data for _, data in self._reads))
        times: list[float] = []
        rest = b""
        for at, data in self._reads:
            *events, rest = (rest + data).split(b"\n\n")
            times += [at] * sum(b'"content":"' in event and b'"content":""' not in event for event in events)
        return Arrivals(times)
