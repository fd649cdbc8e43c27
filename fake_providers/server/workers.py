"""Several processes on one port: any of them answers a control request for all.

Each worker also listens on a Unix socket in a private folder, where the others reach its own part of the
journal. Times can be compared, since time.monotonic() is one clock for all processes of a machine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from chatproof.fake_providers.dialects.base import Reply, Request
from chatproof.fake_providers.server.admin import PREFIX
from chatproof.fake_providers.server.admin_parameters import (
    BadRequest,
    Conditions,
    Summary,
    case_of,
    json_reply,
    limit_of,
    query_of,
    timeout_of,
)

_ROUND_S: Final = 30.0
_ANSWER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Which of `count` workers this process is (`index` from 0), and the folder that they share."""

    folder: Path
    index: int
    count: int

    @property
    def turns(self) -> Path:
        """Where the workers count the requests of sequences."""
        return self.folder / "turns"

    def socket(self, index: int) -> Path:
        """Where a worker can be asked for its own part."""
        return self.folder / f"{index}.sock"


class Together:
    """Answers control requests for all workers. `alone` answers for this one."""

    def __init__(self, place: Place, alone: Callable[[Request], Awaitable[Reply]]) -> None:
        self._place = place
        self._alone = alone
        self._others: dict[int, httpx.AsyncClient] = {}

    async def aclose(self) -> None:
        for client in self._others.values():
            await client.aclose()

    async def answer(self, request: Request) -> Reply:
        try:
            return await self._route(request)
        except BadRequest as problem:
            return json_reply(400, {"error": str(problem)})
        except httpx.HTTPError as problem:
            return json_reply(500, {"error": f"a worker does not answer: {problem or type(problem).__name__}"})

    async def _route(self, request: Request) -> Reply:
        match (request.method, request.path):
            case ("GET", "/_fake/health"):
                status, health = await self._asked(self._place.index, request)
                return json_reply(status, {**health, "workers": self._place.count})
            case ("GET", "/_fake/journal"):
                return await self._journal(request)
            case ("GET", "/_fake/journal/wait"):
                return await self._wait(request)
            case ("DELETE" | "PUT" | "POST", _):
                # This worker first: where it finds fault with the request, the others need not see it.
                own = await self._asked(self._place.index, request)
                if own[0] != 200:
                    return json_reply(*own)
                rest = [index for index in self._indices() if index != self._place.index]
                others = await asyncio.gather(*(self._asked(index, request) for index in rest))
                return json_reply(*next((answer for answer in others if answer[0] != 200), own))
        return await self._alone(request)

    def _indices(self) -> range:
        return range(self._place.count)

    async def _journal(self, request: Request, **more: Any) -> Reply:
        limit = limit_of(query_of(request))
        answers = await asyncio.gather(*(self._asked(index, request) for index in self._indices()))
        entries: list[dict[str, Any]] = []
        for index, (status, answer) in enumerate(answers):
            if status != 200:
                return json_reply(status, answer)
            for entry in answer["entries"]:
                # Each worker counts from 1: give every entry a number of its own, the same at every look.
                entries.append({**entry, "id": (entry["id"] - 1) * self._place.count + index + 1})
        entries.sort(key=lambda entry: float(entry["received"]))
        dropped = sum(answer["dropped"] for _, answer in answers)
        return json_reply(200, {"entries": entries[-limit:], "dropped": dropped, **more})

    async def _wait(self, request: Request) -> Reply:
        query = query_of(request)
        wanted, case, timeout = Conditions.of(query), case_of(query), timeout_of(query)
        which = {} if case is None else {"case": case}
        seen: dict[int, Summary] = {}
        changed = asyncio.Event()

        async def follow(index: int) -> None:
            known = ""
            while True:
                parameters = urlencode({**which, "seen": known, "timeout": _ROUND_S})
                ask = Request("GET", f"{PREFIX}journal/summary", parameters, {}, b"")
                status, answer = await self._asked(index, ask)
                if status != 200:
                    raise BadRequest(answer["error"])
                seen[index] = Summary(**answer)
                known = str(seen[index])
                changed.set()

        async def enough() -> None:
            while len(seen) < self._place.count or not wanted.hold_for(list(seen.values())):
                await changed.wait()
                changed.clear()

        happened = await _first(enough(), [follow(index) for index in self._indices()], timeout)
        journal = replace(request, path=f"{PREFIX}journal", query=urlencode(which))
        return await self._journal(journal, timed_out=not happened)

    async def _asked(self, index: int, request: Request) -> tuple[int, dict[str, Any]]:
        """A worker's own answer: status and body."""
        if index == self._place.index:
            reply = await self._alone(request)
            return reply.status or 500, json.loads(b"".join(frame.payload for frame in reply.frames))
        client = self._others.get(index)
        if client is None:
            transport = httpx.AsyncHTTPTransport(uds=str(self._place.socket(index)))
            timeout = httpx.Timeout(_ANSWER_S, read=_ROUND_S + _ANSWER_S)
            client = httpx.AsyncClient(transport=transport, base_url="http://worker", timeout=timeout)
            self._others[index] = client
        target = f"{request.path}?{request.query}" if request.query else request.path
        response = await client.request(request.method, target, content=request.body)
        return response.status_code, response.json()


async def _first(goal: Awaitable[None], helpers: list[Awaitable[None]], timeout: float) -> bool:
    """Was the goal reached within `timeout` seconds? What a helper raises is raised."""
    tasks = [asyncio.ensure_future(goal), *map(asyncio.ensure_future, helpers)]
    try:
        done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return tasks[0] in done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
