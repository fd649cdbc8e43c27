"""Clients that count: fresh ones, with a budget of requests of their own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from chatproof.conformance.suite.case import Case, together
from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.harness.protocol.apis.chat_stream.chat_stream import STREAM_PATH
from chatproof.harness.protocol.transcript import Transcript

AT_ONCE = 8  # requests under way together where nothing else is asked for
TRIES = 3  # the edge of a clock-aligned window may let 2N through


def limit_of(case: Case, path: str) -> int:
    """How many requests a minute the server allows an address on a route."""
    return case.lane.settings.stream_limit if path == STREAM_PATH else case.lane.settings.chat_limit


@dataclass(slots=True)
class Client:
    """A client that the server has not seen before, with one route that it asks."""

    case: Case
    path: str
    source: str | None

    async def send(
        self, count: int, at_once: int = AT_ONCE, headers: tuple[tuple[str, str], ...] = ()
    ) -> list[Transcript]:
        """Send valid requests, so many under way together."""
        gate = asyncio.Semaphore(at_once)

        async def one() -> Transcript:
            async with gate:
                return await self.case.ask_plain(
                    path=self.path, headers=headers, source=self.source, once=True, paced=False
                )

        return await together(*(one() for _ in range(count)))


async def client_of(case: Case, path: str) -> Client:
    """A fresh client."""
    return Client(case, path, await case.lane.budget.fresh_client(path))


def refused(answers: list[Transcript]) -> list[Transcript]:
    """Those that were refused for their number."""
    return [answer for answer in answers if answer.status == 429]


async def exhausted(case: Case, path: str, limit: int) -> tuple[Client, list[Transcript]]:
    """A client past its limit, and its refused requests. Raises NotTestable where there is no limit."""
    for _ in range(TRIES):
        client = await client_of(case, path)
        await client.send(limit)
        over = refused(await client.send(limit + 1, at_once=limit + 1))
        if over:
            return client, over
    raise NotTestable(f"{2 * limit + 1} requests to {path} were not refused")
