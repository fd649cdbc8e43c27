"""Clients of the LIM rows: each has a source address, and so a rate limit, of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.lane import FRESH
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import json_of
from chatproof.harness.protocol.apis.api import Headers
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, RESPONSE, STREAM_PATH
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.messages import Kind, is_text
from chatproof.harness.protocol.transcript import Transcript

AT_ONCE = 8  # requests at the same time, by default
SCRIPT = "hello"  # that `Case.ask_plain` asks for
TRIES = 3  # a window that ends between the requests may let 2N through


def limit_of(case: Case, path: str) -> int:
    """The server's limit for a route: requests a minute from one address."""
    return case.lane.settings.stream_limit if path == STREAM_PATH else case.lane.settings.chat_limit


@dataclass(slots=True)
class Client:
    """A client that the server has not seen before, the one route that it asks, and what it was answered so far."""

    case: Case
    path: str
    source: str | None
    answers: list[Transcript] = field(default_factory=list)

    async def send(
        self,
        count: int,
        at_once: int = AT_ONCE,
        headers: Headers = (),
        session: str | None = FRESH,
        path: str = "",
    ) -> list[Transcript]:
        """Send `count` valid requests, at most `at_once` at the same time. `path`: another form of the route's path."""
        gate = asyncio.Semaphore(at_once)
        how: dict[str, Any] = {
            "script": SCRIPT,
            "path": path or self.path,
            "headers": headers,
            "session": session,
            "source": self.source,
        }

        async def one() -> Transcript:
            async with gate:
                return await self.case.ask_plain(once=True, paced=False, **how)

        answers = await together(*(one() for _ in range(count)))
        self.answers += answers
        return answers


async def client_of(case: Case, path: str) -> Client:
    """A client with a fresh source address."""
    return Client(case, path, await case.lane.budget.fresh_client(path))


def accepted(case: Case, path: str, answers: list[Transcript], usual: Sequence[Transcript] = ()) -> list[Transcript]:
    """The answers of a route that have status 200 and hold a whole reply.

    Where some replies, the `usual` ones included, have the provider's text, or any, those without it are not whole; if
    none has, other rows say so. Without the fakes a failure may be the model's, so it counts as accepted.
    """
    both = [*answers, *usual]
    texts = [(one, text) for one in both if (text := _text_of(case, path, one)) is not None]
    fine = [one for one, text in texts if text] or [one for one, _ in texts]
    if case.lane.provider:
        said = case.lane.provider.text(SCRIPT)
        fine = [one for one, text in texts if same_words(text, said)] or fine
    else:
        fine += [one for one in both if (one.status or 0) >= 500 or (one.status == 200 and one.of(Kind.ERROR))]
    return [one for one in answers if any(one is other for other in fine)]


def _text_of(case: Case, path: str, answer: Transcript) -> str | None:
    """The reply in an answer, or None where it is not whole."""
    if answer.status != 200:
        return None
    if path != CHAT_PATH:
        return answer.text.strip() if case.lane.succeeded(answer) else None
    body = json_of(answer)
    if not isinstance(body, dict) or answer.error_text is not None:
        return None
    return body[RESPONSE].strip() if is_text(body.get(RESPONSE)) else ""


def unanswered(answers: list[Transcript]) -> Transcript | None:
    """The first request that got no answer."""
    return next((answer for answer in answers if answer.is_unanswered), None)


def not_accepted(
    case: Case, path: str, answers: list[Transcript], usual: Sequence[Transcript] = ()
) -> list[Transcript]:
    """The answers that neither hold a whole reply nor are a 429. `usual`: as in `accepted`."""
    fine = {id(one) for one in accepted(case, path, answers, usual)}
    return [one for one in answers if id(one) not in fine and one.status not in (None, 429)]


def refused(answers: list[Transcript]) -> list[Transcript]:
    """The answers that are a 429."""
    return [answer for answer in answers if answer.status == 429]


async def exhausted(case: Case, path: str, limit: int, few: int = 0) -> tuple[Client, list[Transcript]]:
    """A client that has used up its limit, and its refused requests. `few`: the number of requests past the limit to
    begin with; where none of them is refused, `limit + 1` follow. Raises NotTestable if nothing is refused."""
    for _ in range(TRIES):
        client = await client_of(case, path)
        await client.send(limit)
        for more in (few, limit + 1) if few else (limit + 1,):
            if over := refused(await client.send(more, at_once=more)):
                return client, over
    raise NotTestable(f"none of {2 * limit + 1} requests to {path} was refused with 429")
