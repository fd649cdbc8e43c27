"""Many open streams: the latency that a server adds to each token, and the memory of a stream."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from bench.chat import PACE_MS, check_fully, request, words
from bench.chat_servers import Behind, Busy, Used
from bench.pacing import Spread
from bench.reply import WrongReply
from bench.servers import Cores
from bench.visitors import ASKS_PER_ADDRESS, Reading, connect

SPREAD_S: Final = 2.0
"""The streams start evenly within this time."""
_SETTLED_S: Final = 1.0  # after the last has begun
GRACE_S: Final = 15.0
_EVENTS: Final = b'"count":'
_IN_JOURNAL: Final = 2_000  # requests: of more streams, the newest are timed; all are checked


@dataclass(frozen=True, slots=True)
class Open:
    """One measurement of many open streams.

    `failed`: the number of incomplete streams; `problem`: the reason of the first. `added`: the added latency of all
    tokens; `while_all`: of the tokens that the provider wrote while all streams were open. `memory`: bytes of RSS per
    stream. `busy`: shares of a core while all streams were open.
    """

    streams: int
    failed: int
    problem: str
    added: Spread | None
    while_all: Spread | None
    memory: float
    busy: Busy


@dataclass(slots=True)
class _Meter:
    """Measures memory and CPU time while all streams are open."""

    behind: Behind
    cores: Cores
    memory: list[int] = field(default_factory=list)
    used: list[Used] = field(default_factory=list)

    async def run(self, lasts_s: float) -> None:
        await asyncio.sleep(SPREAD_S + _SETTLED_S)
        self._mark()
        while time.monotonic() - self.used[0].at < lasts_s - SPREAD_S - 2 * _SETTLED_S:
            self.memory.append(self.behind.memory())
            await asyncio.sleep(0.25)
        self._mark()

    def _mark(self) -> None:
        self.used.append(Used.now(self.behind, self.cores))

    def covers(self, at: float) -> bool:
        """Whether all streams were open at that time.monotonic()."""
        return self.used[0].at <= at <= self.used[1].at


async def open_streams(
    behind: Behind,
    cores: Cores,
    streams: int,
    tokens: int,
    from_addresses: Iterator[str],
    grace_s: float = GRACE_S,
) -> Open:
    """Open this many streams of this many tokens, PACE_MS apart, and read them completely.

    `grace_s`: seconds after which a stream that should have ended is given up.
    """
    lasts_s = tokens * PACE_MS / 1000
    idle = behind.memory()
    meter = _Meter(behind, cores)
    gc.collect()
    gc.disable()
    try:
        metering = asyncio.ensure_future(meter.run(lasts_s))
        address = ""
        began = time.monotonic()
        asking: list[asyncio.Future[Reading]] = []
        for number in range(streams):
            if number % ASKS_PER_ADDRESS == 0:
                address = next(from_addresses)
            await asyncio.sleep(max(0.0, began + SPREAD_S * number / streams - time.monotonic()))
            asking.append(asyncio.ensure_future(_ask(behind.server.port, address, number)))
        await asyncio.wait(asking, timeout=lasts_s + grace_s)
        await metering
    finally:
        gc.enable()
    return await _judge(behind, asking, meter, idle, words(tokens))


async def _ask(port: int, address: str, number: int) -> Reading:
    reading = await connect(port, address)
    try:
        reading.ask(request("bench-paced", case=f"open-{number}"))
        await reading.done
    finally:
        reading.transport.abort()
    return reading


async def _judge(
    behind: Behind, asking: list[asyncio.Future[Reading]], meter: _Meter, idle: int, tokens: list[str]
) -> Open:
    written = await _written(behind, len(asking))
    added: list[float] = []
    while_all: list[float] = []
    problems: list[str] = []
    for number, asked in enumerate(asking):
        try:
            read = _arrivals(asked, tokens)
            wrote = written.get(f"open-{number}", [])
            if not wrote and len(asking) > _IN_JOURNAL:
                continue
            if len(wrote) != len(tokens):
                raise WrongReply(f"the provider wrote {len(wrote)} of {len(tokens)} tokens")
        except (WrongReply, OSError, TimeoutError) as problem:
            problems.append(str(problem) or type(problem).__name__)
            continue
        for there, here in zip(wrote, read, strict=True):
            added.append(here - there)
            if meter.covers(there):
                while_all.append(here - there)
    return Open(
        len(asking),
        len(problems),
        problems[0] if problems else "",
        Spread.of(added) if len(added) > 1 else None,
        Spread.of(while_all) if len(while_all) > 1 else None,
        (max(meter.memory) - idle) / len(asking),
        meter.used[1].since(meter.used[0]),
    )


def _arrivals(asked: asyncio.Future[Reading], tokens: list[str]) -> list[float]:
    """Return the times at which the tokens' events were complete. Raises WrongReply."""
    if not asked.done():
        asked.cancel()
        raise WrongReply("the stream did not end in time")
    reading = asked.result()
    check_fully(reading.reply(), tokens)
    times: list[float] = []
    rest = b""
    for at, data in reading.reads:
        *events, rest = (rest + data).split(b"\n\n")
        times += [at] * sum(_EVENTS in event for event in events)
    if len(times) != len(tokens):
        raise WrongReply(f"{len(times)} of {len(tokens)} events")
    return times


async def _written(behind: Behind, streams: int) -> dict[str, list[float]]:
    """Return when the fakes wrote each token, by the request's case, in time.monotonic() seconds as the client's."""
    async with httpx.AsyncClient(trust_env=False, timeout=60.0) as client:
        answer = await client.get(f"{behind.fakes_url}/_fake/journal", params={"limit": min(_IN_JOURNAL, 2 * streams)})
    entries: list[dict[str, Any]] = answer.raise_for_status().json()["entries"]
    return {
        entry["case"]: [write["at"] for write in entry["writes"] for _ in range(write["tokens"])]
        for entry in entries
        if entry["case"]
    }
