"""The fakes' journal and controls for a test: an async client of `/_fake/`."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, Self

import httpx

from fake_providers.journal import Entry

__all__ = ["Entry", "Fakes", "FakesError", "NotInTime"]

_GRACE: Final = 5.0
"""Seconds that an answer may take on top of the wait that was asked for."""


class FakesError(Exception):
    """The fakes did not answer, or answered that the request was wrong. One line."""


class NotInTime(FakesError):
    """What was waited for did not happen; `entries` are those that there were."""

    def __init__(self, text: str, entries: list[Entry]) -> None:
        super().__init__(text)
        self.entries = entries


class Fakes:
    """Talks to running fakes at `url`. Use it within one event loop; close it with `aclose` or `async with`."""

    def __init__(self, url: str) -> None:
        self.url: Final = url.rstrip("/")
        self._client = _client(self.url, connections=100)
        # The fakes listen again upon a request on the connection that made them refuse others: keep that one.
        self._listener = _client(self.url, connections=1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()
        await self._listener.aclose()

    async def health(self) -> dict[str, Any]:
        """{"name", "version", "monotonic": the fakes' clock in seconds, the one of journal times}."""
        return await self._ask("GET", "/_fake/health")

    async def entries(self, case: str | None = None, limit: int = 200) -> list[Entry]:
        """The newest entries, of one case if given, the oldest first."""
        answer = await self._ask("GET", "/_fake/journal", params={**_case(case), "limit": limit})
        return _entries(answer)

    async def wait_ended(self, case: str | None, timeout: float) -> list[Entry]:
        """The case's entries once there is one and all have ended. NotInTime after `timeout` seconds."""
        return await self._wait(case, timeout, {"ended": 1}, "has ended")

    async def wait_tokens(self, case: str | None, tokens: int, timeout: float) -> list[Entry]:
        """The case's entries once one has written that many tokens. NotInTime after `timeout` seconds."""
        return await self._wait(case, timeout, {"tokens": tokens}, f"has written {tokens} tokens")

    async def wait_entries(self, case: str | None, count: int, timeout: float) -> list[Entry]:
        """The case's entries once there are that many. NotInTime after `timeout` seconds."""
        return await self._wait(case, timeout, {"entries": count}, f"has {count} requests")

    async def register(self, name: str, toml: str) -> None:
        """Add or replace a script. FakesError says what is wrong with it."""
        await self._ask("PUT", f"/_fake/scripts/{name}", content=toml.encode())

    async def scripts(self) -> dict[str, dict[str, Any]]:
        """{name: {"about", "text", "tokens"}}."""
        return await self._ask("GET", "/_fake/scripts")

    async def refuse_connections(self, seconds: float) -> None:
        """Refuse new connections for up to 30 seconds, or until `accept_connections`."""
        await self._ask("POST", "/_fake/listener", client=self._listener, json={"refuse_s": seconds})

    async def accept_connections(self) -> None:
        await self._ask("POST", "/_fake/listener", client=self._listener, json={"refuse_s": 0})

    async def clear(self) -> None:
        """Empty the journal."""
        await self._ask("DELETE", "/_fake/journal")

    async def _wait(self, case: str | None, timeout: float, wanted: dict[str, Any], what: str) -> list[Entry]:
        params = {**_case(case), **wanted, "timeout": timeout}
        answer = await self._ask("GET", "/_fake/journal/wait", params=params, timeout=timeout + _GRACE)
        entries = _entries(answer)
        if answer["timed_out"]:
            seen = ", ".join(f"#{e.id} {e.ended or 'running'}, {e.tokens} tokens" for e in entries) or "no request"
            subject = f"case {case}" if case is not None else "any request"
            raise NotInTime(f"no sign within {timeout:g} s that {subject} {what}; seen: {seen}", entries)
        return entries

    async def _ask(
        self, method: str, path: str, *, client: httpx.AsyncClient | None = None, **options: Any
    ) -> dict[str, Any]:
        try:
            try:
                response = await (client or self._client).request(method, path, **options)
            except httpx.ConnectError:
                # While the fakes refuse connections, the kept one is the only way in.
                response = await self._listener.request(method, path, **options)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as problem:
            reason = str(problem) or type(problem).__name__
            raise FakesError(f"the fake providers at {self.url} did not answer {method} {path}: {reason}") from problem
        if response.status_code != 200 or not isinstance(answer, dict):
            reason = answer.get("error", "no reason given") if isinstance(answer, dict) else "not an object"
            raise FakesError(f"the fake providers answered {method} {path} with {response.status_code}: {reason}")
        return answer


def _client(url: str, connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=None)
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=10.0, limits=limits)


def _case(case: str | None) -> dict[str, str]:
    return {} if case is None else {"case": case}


def _entries(answer: dict[str, Any]) -> list[Entry]:
    try:
        return [Entry.from_json(entry) for entry in answer["entries"]]
    except (KeyError, TypeError) as problem:
        raise FakesError(f"the fake providers sent a journal of another version: {problem!r}") from problem
