"""The client of the control API `/_fake/` of served fakes: journal, scripts, listener."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from chatproof.fake_providers.journal.assertions import AsyncAssertions, Claims, Wanted, too_late
from chatproof.fake_providers.journal.control_connection import ControlConnections, NoAnswerError, NoConnectionError
from chatproof.fake_providers.journal.entry import Entry

__all__ = ["Entry", "Fakes", "FakesError", "NotInTime"]

_GRACE: Final = 20.0
"""Seconds that a reply may take beyond the requested wait."""
TIMEOUT: Final = 30.0
"""Seconds for all other requests. A busy machine needs more than ten for one."""
MAX_WAIT_S: Final = 120.0
"""The longest that the fakes wait for one request. Clients that wait longer ask again."""


class FakesError(Exception):
    """The fakes did not answer, or rejected the request. One line."""


class NotInTime(FakesError):
    """A wait timed out. `entries`: what there was."""

    def __init__(self, text: str, entries: list[Entry]) -> None:
        super().__init__(text)
        self.entries = entries


class Waiting(Claims):
    """Lets the fakes wait, for this client and for the one without an event loop."""

    _ask: Callable[..., Coroutine[Any, Any, dict[str, Any]]]

    async def _until(self, case: str | None, wanted: Wanted, timeout: float) -> tuple[list[Entry], bool]:
        while timeout > MAX_WAIT_S:
            entries, happened = await self._until_once(case, wanted, MAX_WAIT_S)
            if happened:
                return entries, True
            timeout -= MAX_WAIT_S
        return await self._until_once(case, wanted, timeout)

    async def _until_once(self, case: str | None, wanted: Wanted, timeout: float) -> tuple[list[Entry], bool]:
        params: dict[str, Any] = {**_case(case), "timeout": timeout}
        params |= {"ended": 1} if wanted.ended else {}
        params |= {"tokens": wanted.tokens} if wanted.tokens is not None else {}
        params |= {"entries": wanted.entries} if wanted.entries is not None else {}
        answer = await self._ask("GET", "/_fake/journal/wait", params=params, timeout=timeout + _GRACE)
        return _entries(answer), not answer["timed_out"]

    async def _now(self) -> float:
        return float((await self._ask("GET", "/_fake/health"))["monotonic"])

    def _late(self, case: str | None, wanted: Wanted, timeout: float, entries: list[Entry]) -> Exception:
        return NotInTime(too_late(case, wanted, timeout, entries), entries)


class Fakes(Waiting, AsyncAssertions):
    """Talks to running fakes at `url`. Use it within one event loop; close it with `aclose` or `async with`.

    A wait that times out raises NotInTime, a failed assertion AssertionError, everything else FakesError.
    """

    def __init__(self, url: str) -> None:
        self.url: Final = url.rstrip("/")
        self._connections = ControlConnections(self.url, most=100)
        # While the fakes refuse connections, this kept connection is the only way to make them listen again.
        self._listener = ControlConnections(self.url, most=1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self._connections.close()
        self._listener.close()

    async def health(self) -> dict[str, Any]:
        """{"name", "version", "monotonic": the fakes' clock in seconds, the one of journal times}."""
        return await self._ask("GET", "/_fake/health")

    async def entries(self, case: str | None = None, limit: int = 200) -> list[Entry]:
        """The newest entries, of one case if given, the oldest first."""
        answer = await self._ask("GET", "/_fake/journal", params={**_case(case), "limit": limit})
        return _entries(answer)

    async def register(self, name: str, toml: str) -> None:
        """Add or replace a script. FakesError if it is invalid."""
        await self._ask("PUT", f"/_fake/scripts/{name}", content=toml.encode())

    async def wire(self, case: str, *names: str) -> None:
        """Give all further requests of the case these wires; none: what their scripts say. FakesError if unknown."""
        await self._ask("PUT", f"/_fake/cases/{case}", json={"wire": names})

    async def scripts(self) -> dict[str, dict[str, Any]]:
        """{name: {"about", "text", "tokens"}}; where a script has them, "thoughts", "refusal" and "sequence" too."""
        return await self._ask("GET", "/_fake/scripts")

    async def key_numbers(self, *keys: str) -> list[int]:
        """The numbers by which the journal's entries know API keys (`Entry.key`)."""
        answer = await self._ask("POST", "/_fake/keys", json={"keys": keys})
        return [int(number) for number in answer["numbers"]]

    async def refuse_connections(self, seconds: float) -> None:
        """Refuse new connections for up to 30 seconds, or until `accept_connections`."""
        await self._ask("POST", "/_fake/listener", client=self._listener, json={"refuse_s": seconds})

    async def accept_connections(self) -> None:
        await self._ask("POST", "/_fake/listener", client=self._listener, json={"refuse_s": 0})

    async def clear(self) -> None:
        await self._ask("DELETE", "/_fake/journal")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        client: ControlConnections | None = None,
        params: dict[str, Any] | None = None,
        json: Any = None,
        content: bytes = b"",
        timeout: float = TIMEOUT,
    ) -> dict[str, Any]:
        target = quote(path) + (f"?{urlencode(params)}" if params else "")
        body = content if json is None else _bytes(json)
        try:
            try:
                answer = await (client or self._connections).ask(method, target, body, timeout)
            except NoConnectionError:
                # While the fakes refuse connections, only the kept connection works.
                answer = await self._listener.ask(method, target, body, timeout)
        except TimeoutError as problem:
            raise no_answer(self.url, method, path, f"nothing for {timeout:g} s") from problem
        except (NoConnectionError, NoAnswerError) as problem:
            raise no_answer(self.url, method, path, str(problem)) from problem
        return answer_of(self.url, method, path, answer.status, answer.body)


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def no_answer(url: str, method: str, path: str, reason: str) -> FakesError:
    """The error of a request that was not answered."""
    return FakesError(f"the fake providers at {url} did not answer {method} {path}: {reason}")


def answer_of(url: str, method: str, path: str, status: int, body: bytes) -> dict[str, Any]:
    """The object in an answer. Raises FakesError where it is none, or tells of an error."""
    try:
        answer = json.loads(body)
    except ValueError as problem:
        raise no_answer(url, method, path, str(problem)) from problem
    if status != 200 or not isinstance(answer, dict):
        reason = answer.get("error", "no reason given") if isinstance(answer, dict) else "not an object"
        raise FakesError(f"the fake providers answered {method} {path} with {status}: {reason}")
    return answer


def _case(case: str | None) -> dict[str, str]:
    return {} if case is None else {"case": case}


def _entries(answer: dict[str, Any]) -> list[Entry]:
    try:
        return [Entry.from_json(entry) for entry in answer["entries"]]
    except (KeyError, TypeError) as problem:
        raise FakesError(f"the fake providers sent a journal of another version: {problem!r}") from problem
