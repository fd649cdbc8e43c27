"""Clients of the control API `/_fake/` of served fakes, async and sync: journal, scripts, listener."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import httpx

from chatproof.fake_providers.journal.assertions import Assertions, AsyncAssertions, Claims, Wanted, blocking, too_late
from chatproof.fake_providers.journal.control_connection import ControlConnections, NoAnswerError, NoConnectionError
from chatproof.fake_providers.journal.entry import Entry

__all__ = ["Entry", "Fakes", "FakesError", "FakesSync", "NotInTime"]

_GRACE: Final = 5.0
"""Seconds that a reply may take beyond the requested wait."""
_TIMEOUT: Final = 10.0
"""Seconds for all other requests."""


class FakesError(Exception):
    """The fakes did not answer, or rejected the request. One line."""


class NotInTime(FakesError):
    """A wait timed out. `entries`: what there was."""

    def __init__(self, text: str, entries: list[Entry]) -> None:
        super().__init__(text)
        self.entries = entries


class _Waiting(Claims):
    """Lets the fakes wait, for both clients."""

    _ask: Callable[..., Coroutine[Any, Any, dict[str, Any]]]

    async def _until(self, case: str | None, wanted: Wanted, timeout: float) -> tuple[list[Entry], bool]:
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


class Fakes(_Waiting, AsyncAssertions):
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
        timeout: float = _TIMEOUT,
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
            raise _silent(self.url, method, path, f"nothing for {timeout:g} s") from problem
        except (NoConnectionError, NoAnswerError) as problem:
            raise _silent(self.url, method, path, str(problem)) from problem
        return _answer(self.url, method, path, answer.status, answer.body)


class FakesSync(_Waiting, Assertions):
    """`Fakes` for tests without an event loop. For any number of threads; close it with `close` or `with`."""

    def __init__(self, url: str) -> None:
        self.url: Final = url.rstrip("/")
        self._client = httpx.Client(**_options(self.url, connections=100))
        self._listener = httpx.Client(**_options(self.url, connections=1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()
        self._listener.close()

    health = blocking(Fakes.health)
    entries = blocking(Fakes.entries)
    register = blocking(Fakes.register)
    wire = blocking(Fakes.wire)
    scripts = blocking(Fakes.scripts)
    key_numbers = blocking(Fakes.key_numbers)
    refuse_connections = blocking(Fakes.refuse_connections)
    accept_connections = blocking(Fakes.accept_connections)
    clear = blocking(Fakes.clear)

    async def _ask(
        self, method: str, path: str, *, client: httpx.Client | None = None, **options: Any
    ) -> dict[str, Any]:
        try:
            try:
                response = (client or self._client).request(method, path, **options)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                response = self._listener.request(method, path, **options)
        except httpx.HTTPError as problem:
            raise _silent(self.url, method, path, str(problem) or type(problem).__name__) from problem
        return _answer(self.url, method, path, response.status_code, response.content)


def _options(url: str, connections: int) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=connections, keepalive_expiry=None)
    # no TLS ever: to load the certificates of all authorities would take most of the time of a new client
    return {"base_url": url, "trust_env": False, "verify": False, "timeout": _TIMEOUT, "limits": limits}


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def _silent(url: str, method: str, path: str, reason: str) -> FakesError:
    return FakesError(f"the fake providers at {url} did not answer {method} {path}: {reason}")


def _answer(url: str, method: str, path: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError as problem:
        raise _silent(url, method, path, str(problem)) from problem
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
