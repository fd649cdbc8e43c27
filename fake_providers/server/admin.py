"""The fakes' control API under `/_fake/`: journal, scripts, listener, health."""

from __future__ import annotations

import re
import time
from typing import Any, Final, Protocol

from chatproof import __version__
from chatproof.fake_providers.dialects.base import IncomingRequest, Reply
from chatproof.fake_providers.journal.assertions import Wanted
from chatproof.fake_providers.journal.client_faults import Observed
from chatproof.fake_providers.journal.control_client import MAX_WAIT_S
from chatproof.fake_providers.journal.journal import Entry, Journal
from chatproof.fake_providers.journal.resilience import judge
from chatproof.fake_providers.planning.http_request import number_of_key
from chatproof.fake_providers.planning.planner import Planner
from chatproof.fake_providers.scripting.script import Script, ScriptError, parse_script
from chatproof.fake_providers.scripting.wire_table import FORMS, UnknownWire, wires_of
from chatproof.fake_providers.server.admin_parameters import (
    BadRequest,
    Query,
    case_of,
    json_reply,
    limit_of,
    limits_of,
    query_of,
    seconds,
    timeout_of,
    wanted_of,
)
from chatproof.fake_providers.server.web_page_guard import web_page_problem

PREFIX: Final = "/_fake/"
_NAME: Final = "chatproof fake providers"
_SCRIPTS: Final = PREFIX + "scripts/"
_CASES: Final = PREFIX + "cases/"
_CASE: Final = re.compile(r"[a-z0-9-]{1,200}")
_MAX_SCRIPTS: Final = 1_000
_MAX_REFUSE_S: Final = 30.0
_MAX_SENT: Final = 8_000_000  # bytes of entries in one answer, roughly
_ENTRY_SIZE: Final = 1_000
_WRITE_SIZE: Final = 120


class Controlled(Protocol):
    """What the control API needs of the server."""

    planner: Planner
    journal: Journal
    host: str

    async def refuse(self, seconds: float) -> None: ...


class Admin:
    """Answers control requests. Errors are 400, 403 (web pages) or 404 with {"error": one line}."""

    def __init__(self, server: Controlled) -> None:
        self._server = server
        self._library = server.planner.library

    async def answer(self, request: IncomingRequest) -> Reply:
        if why := web_page_problem(request.method, request.headers, self._server.host):
            return json_reply(403, {"error": why})
        try:
            return await self._route(request)
        except (BadRequest, ScriptError) as problem:
            return json_reply(400, {"error": str(problem)})

    async def _route(self, request: IncomingRequest) -> Reply:
        route = (request.method, request.path)
        query = query_of(request)
        match route:
            case ("GET", "/_fake/health"):
                return json_reply(200, self._health())
            case ("GET", "/_fake/journal"):
                return self._entries(self._server.journal.entries(case_of(query), limit_of(query)))
            case ("GET", "/_fake/journal/wait"):
                return await self._wait(query)
            case ("GET", "/_fake/verdict"):
                return await self._verdict(query)
            case ("DELETE", "/_fake/journal"):
                self._server.journal.clear()
                self._server.planner.sequences.clear()
                return json_reply(200, {"cleared": True})
            case ("GET", "/_fake/scripts"):
                return json_reply(200, {name: _described(s) for name, s in self._library.current().items()})
            case ("GET", "/_fake/wires"):
                return json_reply(200, {form: wires_of(form) for form in FORMS})
            case ("PUT", path) if path.startswith(_SCRIPTS):
                return self._register(path.removeprefix(_SCRIPTS), request.body)
            case ("PUT", path) if path.startswith(_CASES):
                return self._choose(path.removeprefix(_CASES), request.json)
            case ("POST", "/_fake/keys"):
                return self._numbers(request.json)
            case ("POST", "/_fake/listener"):
                return await self._refuse(request.json)
        return json_reply(404, {"error": f"no such control request: {request.method} {request.path[:200]}"})

    def _health(self) -> dict[str, Any]:
        scripts = self._library.current()
        return {
            "name": _NAME,
            "version": __version__,
            "monotonic": time.monotonic(),
            "scripts": len(scripts),
            "problems": self._library.problems,
        }

    def _entries(self, entries: list[Entry], **more: Any) -> Reply:
        listed: list[dict[str, Any]] = []
        left = _MAX_SENT
        for entry in reversed(entries):  # the newest are worth most
            left -= _ENTRY_SIZE + entry.size + _WRITE_SIZE * len(entry.times)
            if left < 0 and listed:
                break
            listed.append(entry.to_json() if left >= 0 else {**entry.to_json(), "body": None})
        listed.reverse()
        return json_reply(200, {"entries": listed, "dropped": self._server.journal.dropped, **more})

    async def _wait(self, query: Query) -> Reply:
        wanted, case, timeout = wanted_of(query), case_of(query), timeout_of(query)
        happened = await self._server.journal.wait(case, wanted.met, timeout)
        return self._entries(self._server.journal.entries(case, limit_of({})), timed_out=not happened)

    async def _verdict(self, query: Query) -> Reply:
        journal, case = self._server.journal, case_of(query)
        ignored = [name for name in query.get("ignore", "").split(",") if name]
        await journal.wait(case, Wanted(ended=True).met, seconds(query.get("within", 1.0), "within", MAX_WAIT_S))
        entries = journal.entries(case)
        try:
            verdict = judge(Observed(entries, time.monotonic(), limits_of(query), query.get("returned")), ignored)
        except ValueError as problem:
            raise BadRequest(str(problem)) from problem
        return json_reply(200, {"requests": len(entries), **verdict.to_json()})

    def _register(self, name: str, body: bytes) -> Reply:
        try:
            script = parse_script(name, body.decode())
        except UnicodeDecodeError as problem:
            raise BadRequest(f"{name[:100]}: the script is not UTF-8") from problem
        scripts = self._library.current()
        if name not in scripts and len(scripts) >= _MAX_SCRIPTS:
            raise BadRequest(f"{len(scripts)} scripts are registered: replace one of them instead")
        self._library.register(script)
        return json_reply(200, {name: _described(script)})

    def _choose(self, case: str, body: Any) -> Reply:
        if not _CASE.fullmatch(case):
            raise BadRequest(f"{case[:100]!r}: a case id is up to 200 lower-case letters, digits and dashes")
        given = body.get("wire") if isinstance(body, dict) and body.keys() == {"wire"} else None
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadRequest('the body must be {"wire": "NAME"}, or a list of names; [] is what the script says')
        try:
            return json_reply(200, {"case": case, "wire": self._server.planner.wires.choose(case, names)})
        except UnknownWire as unknown:
            raise BadRequest(str(unknown)) from unknown

    def _numbers(self, body: Any) -> Reply:
        keys = body.get("keys") if isinstance(body, dict) else None
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise BadRequest('the body must be {"keys": [API keys]}')
        return json_reply(200, {"numbers": [number_of_key(key) for key in keys]})

    async def _refuse(self, body: Any) -> Reply:
        value = body.get("refuse_s") if isinstance(body, dict) else None
        if value is None:
            raise BadRequest('the body must be {"refuse_s": seconds}, 0 to accept connections again')
        duration = seconds(value, "refuse_s", _MAX_REFUSE_S)
        try:
            await self._server.refuse(duration)
        except OSError as problem:
            raise BadRequest(f"cannot listen again: {problem.strerror}") from problem
        return json_reply(200, {"refuse_s": duration})


def _described(script: Script) -> dict[str, Any]:
    described = {"about": script.about, "text": script.text, "tokens": script.tokens}
    rest = {"thoughts": "".join(script.thoughts), "refusal": script.refusal, "sequence": script.sequence}
    return {**described, **{name: value for name, value in rest.items() if value}}
