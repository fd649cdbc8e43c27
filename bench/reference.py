"""`python -m bench reference`: measure the reference server beside two proxies of the same API, in one run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import psutil
import uvloop

from bench import chat_servers, server_capacity
from bench.chat import LONG, TOKENS, request, scripts, words
from bench.chat_servers import Behind, Used
from bench.open_streams import open_streams
from bench.peers import NotInstalled, install_flask, install_starlette
from bench.reference_report import report
from bench.reference_results import Contender, Idle, Sample, Size
from bench.reply import WrongReply
from bench.results import LEVELS
from bench.servers import CannotStart, Cores
from bench.visitors import Crowd, addresses, ask_in_all, heat, load

_FILES: Final = 8_192  # open files: more than the connections of the client, and of the server
_CROWD: Final = 64  # connections that create the idle sessions
_SETTLED_S: Final = 1.0  # after the last reply, until connections and threads have ended


_Measure = Callable[[Contender, Behind, Size, Cores, Iterator[str]], None]


def run(size: Size, peers: Path, only_capacity: bool) -> int:
    """Measure and print the report. Returns 0, 1 if our own server failed, 2 if too few files may be open."""
    cores = Cores.choose()
    cores.pin_client()
    files = chat_servers.raise_file_limit(_FILES)
    if files < 2 * max(size.streams, size.capacity.most) + 150:
        _say(f"only {files} files may be open (ulimit -n): too few for {size.capacity.most} streams")
        return 2
    before = chat_servers.load_average()
    contenders = list(_contenders(cores, peers))
    from_addresses = addresses()
    if not only_capacity:
        _compare(contenders, size, cores, from_addresses)
    for contender in contenders:
        server_capacity.measure(contender, size, cores, from_addresses)
    sys.stdout.write(report(contenders, size, cores, before))
    ours = contenders[0]
    return int(bool(ours.problems) or ours.capacity is None or not ours.capacity.held)


def _compare(contenders: Sequence[Contender], size: Size, cores: Cores, from_addresses: Iterator[str]) -> None:
    """Measure rates, latency and memory, each at the same load for all."""
    for number in range(size.rounds):
        for contender in contenders:
            if not contender.problems:
                _say(f"round {number + 1} of {size.rounds}: {contender.name}")
                _attempt(contender, size, cores, _rates, from_addresses)
    for contender in contenders:
        _say(f"{size.streams} streams at once: {contender.name}")
        _attempt(contender, size, cores, _many, from_addresses)
    for contender in contenders:
        _say(f"{size.sessions} sessions: {contender.name}")
        _attempt(contender, size, cores, _sessions, from_addresses)


def _contenders(cores: Cores, peers: Path) -> Iterator[Contender]:
    yield Contender("ours", chat_servers.ours(cores))
    for install in (install_starlette, install_flask):
        try:
            peer = install(peers)
            yield Contender(peer.name, chat_servers.proxy(cores, peer))
        except NotInstalled as problem:
            _say(f"skipped: {problem}")


def _attempt(contender: Contender, size: Size, cores: Cores, measure: _Measure, from_addresses: Iterator[str]) -> None:
    """Measure once. A failure of the server is reported and stored in `contender.problems`."""
    try:
        with contender.start(scripts(size.tokens)) as behind:
            measure(contender, behind, size, cores, from_addresses)
    except (CannotStart, WrongReply, TimeoutError, OSError, httpx.HTTPError, psutil.Error) as problem:
        line = f"{contender.name}: {problem or type(problem).__name__}"
        contender.problems.append(line)
        _say(f"failed: {line}")


def _rates(contender: Contender, behind: Behind, size: Size, cores: Cores, from_addresses: Iterator[str]) -> None:
    """Take one sample at each level."""
    heat(behind.server.port, size.heat_s, from_addresses)
    asked = request("bench-joined")
    for connections in LEVELS:
        crowd = Crowd(behind.server.port, lambda: asked, words(TOKENS), from_addresses)
        used: list[Used] = []

        def mark(used: list[Used] = used) -> None:
            used.append(Used.now(behind, cores))

        done = uvloop.run(load(crowd, connections, size.warm_s, size.window_s, mark))
        contender.samples.setdefault(connections, []).append(Sample(done, used[1].since(used[0])))


def _many(contender: Contender, behind: Behind, size: Size, cores: Cores, from_addresses: Iterator[str]) -> None:
    heat(behind.server.port, size.heat_s, from_addresses)
    contender.opened = uvloop.run(open_streams(behind, cores, size.streams, size.tokens, from_addresses))


def _sessions(contender: Contender, behind: Behind, size: Size, cores: Cores, from_addresses: Iterator[str]) -> None:
    """Compare the memory before and after many sessions. The same requests in few sessions come first, as a warm-up."""
    numbers = count()

    def few() -> bytes:
        return request("bench-session", session=f"warm-{next(numbers) % _CROWD}")

    def ever_new() -> bytes:
        return request("bench-session", session=f"session-{next(numbers)}")

    warm = Crowd(behind.server.port, few, LONG, from_addresses)
    uvloop.run(ask_in_all(warm, _CROWD, _CROWD * size.warm_asks, size.sessions_s / 3))
    before = behind.memory()
    crowd = Crowd(behind.server.port, ever_new, LONG, from_addresses)
    made = uvloop.run(ask_in_all(crowd, _CROWD, size.sessions, size.sessions_s))
    if not made:
        raise WrongReply(f"no session within {size.sessions_s:g} s")
    time.sleep(_SETTLED_S)
    contender.idle = Idle(made, (behind.memory() - before) / made)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
