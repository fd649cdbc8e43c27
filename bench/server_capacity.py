"""How many streams of 10 tokens/s a chat server passes on before p99 of the latency that it adds is too high."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import httpx
import psutil
import uvloop

from bench.capacity import Trial, capacity_table, goal, search
from bench.chat import PACE_MS, scripts
from bench.chat_servers import Busy
from bench.open_streams import open_streams
from bench.reference_results import Contender, Size
from bench.reply import WrongReply
from bench.report import table
from bench.servers import CannotStart, Cores
from bench.visitors import heat

FULL_CORE: Final = 0.9
"""Share of a core. Where fakes and client used more of theirs, they may be what was late."""
OTHERS: Final = 0.1
"""Share of the server's core. Where other programs took more of it, they may be why the server was late."""
_GRACE_S: Final = 3.0


def measure(contender: Contender, size: Size, cores: Cores, from_addresses: Iterator[str]) -> None:
    """Search the capacity of one server; each trial has a server and fakes of its own."""

    def trial(streams: int) -> Trial:
        return _trial(contender, size, cores, from_addresses, streams)

    contender.capacity = search(contender.name, trial, size.capacity)


def _trial(contender: Contender, size: Size, cores: Cores, from_addresses: Iterator[str], streams: int) -> Trial:
    try:
        with contender.start(scripts(size.capacity_tokens)) as behind:
            heat(behind.server.port, size.heat_s, from_addresses)
            opened = open_streams(behind, cores, streams, size.capacity_tokens, from_addresses, _GRACE_S)
            found = uvloop.run(opened)
    except (CannotStart, WrongReply, TimeoutError, OSError, httpx.HTTPError, psutil.Error) as problem:
        return Trial(streams, None, str(problem) or type(problem).__name__)
    p99 = None if found.failed or found.while_all is None else found.while_all.p99
    return Trial(streams, p99, found.problem, _doubt(found.busy))


def _doubt(busy: Busy) -> str:
    if busy.fakes + busy.client > FULL_CORE:
        return f"fakes and client used {busy.fakes + busy.client:.0%} of their core"
    if busy.others is not None and busy.others > OTHERS:
        return f"other programs used {busy.others:.0%} of the server's core"
    return ""


def tables(contenders: Sequence[Contender], size: Size) -> str:
    """The capacities, and the goal. The first contender is our server; the Starlette proxy is found by its name."""
    found = {one.name: one.capacity for one in contenders if one.capacity is not None}
    peer = next((one.capacity for one in contenders if one.name.startswith("Starlette")), None)
    limit, rate = size.capacity.limit, 1000 / PACE_MS
    goals = [
        ["goal", "measured", "holds"],
        goal(f"streams of {rate:g} tokens/s, with those of the Starlette proxy", contenders[0].capacity, peer),
    ]
    return (
        f"Capacity: the number of streams of {rate:g} tokens/s that run at once without a lost one, while p99 of the"
        f" added latency is {limit:g} ms at most.\n\n{capacity_table('p99, ms', found)}\n\n{table(goals)}"
    )
