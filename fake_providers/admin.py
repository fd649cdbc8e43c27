"""The fakes' own HTTP interface under `/_fake/`: journal, scripts, listener, health."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

from fake_providers.exchange import Reply, Request
from fake_providers.frames import Frame
from fake_providers.journal import Entry, Journal
from fake_providers.script import Script, ScriptError, parse_script

PREFIX: Final = "/_fake/"
_NAME: Final = "chatproof fake providers"
_SCRIPTS: Final = PREFIX + "scripts/"
_MAX_SCRIPTS: Final = 1_000
_MAX_REFUSE_S: Final = 30.0
_MAX_WAIT_S: Final = 120.0
_DEFAULT_WAIT_S: Final = 10.0
_DEFAULT_LIMIT: Final = 200
_MAX_ID: Final = 200


class BadRequest(ValueError):
    """A control request that cannot be answered; the text says what would be right."""


class Controlled(Protocol):
    """What the interface controls."""

    scripts: dict[str, Script]
    journal: Journal

    async def refuse(self, seconds: float) -> None: ...


class Admin:
    """Answers control requests. Errors are 400 or 404 with {"error": one line}."""

    def __init__(self, server: Controlled) -> None:
        self._server = server

    async def answer(self, request: Request) -> Reply:
        try:
            return await self._route(request)
        except (BadRequest, ScriptError) as problem:
            return _json(400, {"error": str(problem)})

    async def _route(self, request: Request) -> Reply:
        route = (request.method, request.path)
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        match route:
            case ("GET", "/_fake/health"):
                return _json(200, {"name": _NAME, "version": _version(), "monotonic": time.monotonic()})
            case ("GET", "/_fake/journal"):
                limit = _whole(query, "limit", 1, 2_000) or _DEFAULT_LIMIT
                return self._entries(self._server.journal.entries(_case(query), limit))
            case ("GET", "/_fake/journal/wait"):
                return await self._wait(query)
            case ("DELETE", "/_fake/journal"):
                self._server.journal.clear()
                return _json(200, {"cleared": True})
            case ("GET", "/_fake/scripts"):
                return _json(200, {name: _described(s) for name, s in sorted(self._server.scripts.items())})
            case ("PUT", path) if path.startswith(_SCRIPTS):
                return self._register(path.removeprefix(_SCRIPTS), request.body)
            case ("POST", "/_fake/listener"):
                return await self._refuse(request.json)
        return _json(404, {"error": f"no such control request: {request.method} {request.path[:200]}"})

    def _entries(self, entries: list[Entry], **more: Any) -> Reply:
        listed = [entry.to_json() for entry in entries]
        return _json(200, {"entries": listed, "dropped": self._server.journal.dropped, **more})

    async def _wait(self, query: dict[str, str]) -> Reply:
        ended, tokens, count = query.get("ended") == "1", _whole(query, "tokens", 1), _whole(query, "entries", 1)
        wanted: list[Callable[[list[Entry]], bool]] = []
        if ended:
            wanted.append(lambda entries: bool(entries) and all(entry.ended for entry in entries))
        if tokens is not None:
            wanted.append(lambda entries: any(entry.tokens >= tokens for entry in entries))
        if count is not None:
            wanted.append(lambda entries: len(entries) >= count)
        if not wanted:
            raise BadRequest("say what to wait for: ended=1, tokens=N or entries=N")
        case, timeout = _case(query), _seconds(query.get("timeout", str(_DEFAULT_WAIT_S)), "timeout", _MAX_WAIT_S)
        happened = await self._server.journal.wait(case, lambda found: all(want(found) for want in wanted), timeout)
        return self._entries(self._server.journal.entries(case, _DEFAULT_LIMIT), timed_out=not happened)

    def _register(self, name: str, body: bytes) -> Reply:
        try:
            script = parse_script(name, body.decode())
        except UnicodeDecodeError as problem:
            raise BadRequest(f"{name[:100]}: the script is not UTF-8") from problem
        scripts = self._server.scripts
        if name not in scripts and len(scripts) >= _MAX_SCRIPTS:
            raise BadRequest(f"{len(scripts)} scripts are registered: replace one of them instead")
        scripts[name] = script
        return _json(200, {name: _described(script)})

    async def _refuse(self, body: Any) -> Reply:
        value = body.get("refuse_s") if isinstance(body, dict) else None
        if value is None:
            raise BadRequest('the body must be {"refuse_s": seconds}, 0 to accept connections again')
        seconds = _seconds(value, "refuse_s", _MAX_REFUSE_S)
        try:
            await self._server.refuse(seconds)
        except OSError as problem:
            raise BadRequest(f"cannot listen again: {problem.strerror}") from problem
        return _json(200, {"refuse_s": seconds})


def _version() -> str:
    try:
        return version("chatproof")
    except PackageNotFoundError:
        return "0"


def _described(script: Script) -> dict[str, Any]:
    return {"about": script.about, "text": script.text, "tokens": script.tokens}


def _case(query: dict[str, str]) -> str | None:
    case = query.get("case")
    if case is not None and len(case) > _MAX_ID:
        raise BadRequest(f"case must be at most {_MAX_ID} characters long")
    return case


def _whole(query: dict[str, str], name: str, low: int, high: int = 1_000_000) -> int | None:
    value = query.get(name)
    if value is None:
        return None
    if not value.isdecimal() or len(value) > 9 or not low <= int(value) <= high:
        raise BadRequest(f"{name} must be a whole number from {low} to {high}, not {value[:40]!r}")
    return int(value)


def _seconds(value: Any, name: str, high: float) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds <= high:
        raise BadRequest(f"{name} must be seconds from 0 to {high:g}, not {str(value)[:40]!r}")
    return seconds


def _json(status: int, value: Any) -> Reply:
    return Reply(status, (("content-type", "application/json"),), (Frame(json.dumps(value).encode(), 0.0),))
