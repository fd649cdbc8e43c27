"""Good servers of shapes that nobody else has, plain and odd."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.servers.apis.made_up import LinesServer, MadeUpServer, NamingServer, WordsServer
from tests.servers.apis.stream_server import Frame
from tests.servers.apis.tables import LINES, MADE_UP, NAMING, WORDS
from tests.servers.legal.variant import legal

OVER_HTTP = "API SSE-01 SSE-06 SSE-08 SSE-09 SSE-10 SSE-11 TOK-04 TOK-05 ERR-02 ERR-03 ERR-04 ERR-05 INT-01"


@legal("made-up", only=f"{OVER_HTTP} SIO INT-03", api=MADE_UP)
class PlainMadeUp(MadeUpServer):
    """As it is meant."""


@legal("made-up-with-extras", only=f"{OVER_HTTP} INT-02", api=MADE_UP)
class MadeUpWithExtras(MadeUpServer):
    """Comments, named pings that are no JSON, events of kinds that no table names, no mark, and CR LF."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        ping = b"event: ping\r\ndata: now\r\n\r\n"
        return [b": hello\r\n\r\n", ping, *super().opening(name, body), self.frame({"op": "tool", "piece": {"md": 5}})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.frame({"op": "usage", "tokens": 3}), *list(super().closing(name, body, said))[:1]]

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"op": "oops", "fault": {"text": text, "code": 17}})]

    def frame(self, event: dict[str, Any]) -> Frame:
        return b"data:" + json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\r\n\r\n"


@legal("made-up-marks-the-end", only=OVER_HTTP, api=MADE_UP)
class MarksTheEnd(MadeUpServer):
    """Only the mark tells the end, also behind an error."""

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return list(super().closing(name, body, said))[1:]


@legal("names-its-threads", only=OVER_HTTP, api=NAMING)
class NamesItsThreads(NamingServer):
    """As it is meant."""


@legal(
    "words",
    only="API-02 SSE-01 SSE-04 SSE-06 SSE-09 TOK-04 TOK-05 ERR-02 ERR-03 ERR-05 INT-01 REQ-07",
    api=WORDS,
)
class PlainWords(WordsServer):
    """As it is meant."""


@legal("lines", only=f"{OVER_HTTP} INT-02", api=LINES)
class PlainLines(LinesServer):
    """As it is meant."""


@legal("lines-with-extras", only=OVER_HTTP, api=LINES)
class LinesWithExtras(LinesServer):
    """Blank lines in between, CR LF, white space before the object, no line end behind the last line, and an end that
    repeats no text."""

    headers = {**LinesServer.headers, "Content-Type": "text/plain; charset=utf-8"}  # noqa: RUF012  # as its parent's

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [b"\n", *super().opening(name, body), b"  \r\n", self.frame({"kind": "progress", "all": "0 %"})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        self.so_far.pop(name)
        return [self.frame({"kind": "bye", "ready": True, "took": 0.5}).strip()]

    def frame(self, event: dict[str, Any]) -> Frame:
        return b" " + json.dumps(event, ensure_ascii=False).encode() + b"\r\n"

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        answer = await super().on_ask(request)
        if isinstance(answer, web.Response):  # a refusal, in words
            return web.Response(text="That makes no sense.", status=answer.status)
        return answer
