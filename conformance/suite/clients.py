"""Clients of the LIM rows: each has a source address, and so a rate limit, of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.together import together
from chatproof.harness.protocol.apis.chat_stream.chat_stream import STREAM_PATH
from chatproof.harness.protocol.transcript import Transcript

AT_ONCE = 8  # requests at the same time, by default
TRIES = 3  # a window that ends between the requests may let 2N through


def limit_of(case: Case, path: str) -> int:
    """The server's limit for a route: requests a minute from one address."""
    return case.lane.settings.stream_limit if path == STREAM_PATH else case.lane.settings.chat_limit


@dataclass(slots=True)
class Client:
    """A client that the server has not seen before, and the one route that it asks."""

    case: Case
    path: str
    source: str | None

    async def send(
        self, count: int, at_once: int = AT_ONCE, headers: tuple[tuple[str, str], ...] = ()
    ) -> list[Transcript]:
        """Send `count` valid requests, at most `at_once` at the same time."""
        gate = asyncio.Semaphore(at_once)

        async def one() -> Transcript:
            async with gate:
                return await self.case.ask_plain(
                    path=self.path, headers=headers, source=self.source, once=True, paced=False
                )

        return await together(*(one() for _ in range(count)))


async def client_of(case: Case, path: str) -> Client:
    """A client with a fresh source address."""
    return Client(case, path, await case.lane.budget.fresh_client(path))


def served(answers: list[Transcript]) -> list[Transcript]:
    """The answers that are no 429. Where no answer came, nobody was served."""
    return [answer for answer in answers if answer.status not in (None, 429)]


def unanswered(answers: list[Transcript]) -> Transcript | None:
    """The first request that got no answer."""
    return next((answer for answer in answers if answer.is_unanswered), None)


def refused(answers: list[Transcript]) -> list[Transcript]:
    """The answers that are a 429."""
    return [answer for answer in answers if answer.status == 429]


async def exhausted(case: Case, path: str, limit: int) -> tuple[Client, list[Transcript]]:
    """A client that has used up its limit, and its refused requests. Raises NotTestable if nothing is refused."""
    for _ in range(TRIES):
        client = await client_of(case, path)
        await client.send(limit)
        if over := refused(await client.send(limit + 1, at_once=limit + 1)):
            return client, over
    raise NotTestable(f"none of {2 * limit + 1} requests to {path} was refused with 429")
