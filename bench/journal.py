"""`python -m bench journal`: what it costs to ask the fakes' journal, with our own connections and with httpx."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any, Final

import httpx

from bench.report import table
from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.server.launcher import start_fakes

_QUESTIONS: Final = 400  # a round
_ROUNDS: Final = 5
_AT_ONCE: Final = (1, 40)
_PATH: Final = "/_fake/journal"

Ask = Callable[[], Awaitable[Any]]


def run() -> int:
    """Print the table. Gives 0."""
    asyncio.run(_measured())
    return 0


async def _measured() -> None:
    served = start_fakes()
    rows = [["at once", "ours, µs of CPU", "httpx, µs of CPU", "times"]]
    try:
        async with Fakes(served.url) as ours, httpx.AsyncClient(base_url=served.url, trust_env=False) as theirs:
            for at_once in _AT_ONCE:
                asks: tuple[Ask, Ask] = (lambda: ours.entries("x"), lambda: theirs.get(_PATH, params={"case": "x"}))
                rounds = [[await _cost(ask, at_once) for ask in asks] for _ in range(_ROUNDS)]
                own, other = (median(costs) for costs in zip(*rounds, strict=True))
                rows.append([str(at_once), f"{own:.0f}", f"{other:.0f}", f"{other / own:.1f}"])
    finally:
        served.stop()
    sys.stdout.write(f"{table(rows)}\n")


async def _cost(ask: Ask, at_once: int) -> float:
    """The client's CPU for one question, in µs."""

    async def some() -> None:
        for _ in range(_QUESTIONS // at_once):
            await ask()

    begun = time.process_time()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return (time.process_time() - begun) / _QUESTIONS * 1e6
