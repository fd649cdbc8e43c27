"""`python -m bench fakes`: measure our fake providers beside their peers, in one run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import uvloop

from bench import servers
from bench.client import load
from bench.pacing import Pace, pace
from bench.peers import NotInstalled, install_aimock, install_llmock
from bench.reply import WrongReply, request
from bench.report import report
from bench.results import LEVELS, SPREADS_S, Contender, Sample, Size
from bench.servers import CannotStart, Cores, Server


def run(size: Size, peers: Path) -> int:
    """Measure and print the report. Returns 0, or 1 if a server failed while it was measured."""
    cores = Cores.choose()
    cores.pin_client()
    contenders = list(_contenders(cores, peers))
    for number in range(size.rounds):
        for contender in contenders:
            if contender.skipped is None:
                _say(f"round {number + 1} of {size.rounds}: {contender.name}")
                _measure(contender, size)
    paces: dict[float, list[Pace]] = {}
    with servers.ours(cores) as server:
        for spread in SPREADS_S:
            for number in range(size.rounds):
                _say(f"round {number + 1} of {size.rounds}: pacing, begun within {spread:g} s")
                paces.setdefault(spread, []).append(uvloop.run(pace(server, size.streams, spread)))
    sys.stdout.write(report(contenders, paces, size, cores))
    return 1 if any(contender.skipped and contender.samples for contender in contenders) else 0


def _contenders(cores: Cores, peers: Path) -> Iterator[Contender]:
    yield Contender("ours, joined", lambda: servers.ours(cores), "bench-joined")
    yield Contender("ours without uvloop, joined", lambda: servers.ours_on_asyncio(cores), "bench-joined")
    yield Contender("bare protocol, joined", lambda: servers.bare(cores, each=False), "bench-joined")
    try:
        aimock = install_aimock(peers)
        yield Contender(f"aimock {aimock.version}", lambda: servers.aimock(cores, aimock), "bench-joined")
    except NotInstalled as problem:
        _say(f"skipped: {problem}")
    yield Contender("ours, one send per event", lambda: servers.ours(cores), "bench-each")
    without = "ours without uvloop, one send per event"
    yield Contender(without, lambda: servers.ours_on_asyncio(cores), "bench-each")
    yield Contender("bare protocol, one send per event", lambda: servers.bare(cores, each=True), "bench-each")
    try:
        llmock = install_llmock(peers)
        yield Contender(f"llmock {llmock.version}", lambda: servers.llmock(cores, llmock), "bench-each")
    except NotInstalled as problem:
        _say(f"skipped: {problem}")


def _measure(contender: Contender, size: Size) -> None:
    """Take one sample at each level. A server that fails is not measured again."""
    try:
        with contender.start() as server:
            asked = request(contender.script)
            uvloop.run(load(server.port, asked, LEVELS[1], 0.0, size.heat_s, lambda: None))
            for connections in LEVELS:
                sample = uvloop.run(_sample(server, asked, connections, size))
                contender.samples.setdefault(connections, []).append(sample)
    except (CannotStart, WrongReply, TimeoutError, OSError, httpx.HTTPError) as problem:
        contender.skipped = f"{contender.name}: {problem or type(problem).__name__}"
        _say(f"skipped: {contender.skipped}")


async def _sample(server: Server, asked: bytes, connections: int, size: Size) -> Sample:
    writes: list[int | None] = []
    cpu: list[float | None] = []

    def mark() -> None:
        writes.append(server.writes())
        cpu.append(server.cpu())

    done = await load(server.port, asked, connections, size.warm_s, size.window_s, mark)
    before, after = writes
    calls = None if before is None or after is None or not done.streams else (after - before) / done.streams
    began, ended = cpu
    share = None if began is None or ended is None else (ended - began) / done.seconds
    return Sample(done, calls, share)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
