"""Faults that the rows of REQ notice."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.servers.broken.fault import Crash, fault
from tests.servers.parts import Ask, Message, Refused, Session, is_unicode
from tests.servers.plain_server import ChatServer


@fault("trimmed", "REQ-07", "REQ-07 SES-07 TOK-04")
class CollapsesSpace(ChatServer):
    """Upstream, white space is one blank."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        return super().prompt(session, " ".join(message.split()))


@fault("escaped", "REQ-07", "REQ-07 SES-07 TOK-04")
class EscapesHtml(ChatServer):
    def prompt(self, session: Session, message: str) -> list[Message]:
        return super().prompt(session, message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


@fault("refuses-scripts", "REQ-07", "REQ-01 REQ-07", says='status 400 with \'{"error": "message')
class RefusesScripts(ChatServer):
    """Letters that it does not know."""

    def is_message(self, text: str) -> bool:
        return super().is_message(text) and not any("\u0900" <= letter <= "\u097f" for letter in text)


@fault("crash-on-bad-json", "REQ-04", "REQ ERR-04 SSE-01")
class CrashesOnBadJson(ChatServer):
    async def read_object(self, request: web.Request) -> Any:
        try:
            return await super().read_object(request)
        except Refused as refused:
            raise Crash from refused


@fault("crash-on-odd-values", "REQ-10", "REQ SSE-01")
class CrashesOnOddValues(ChatServer):
    def is_message(self, text: str) -> bool:
        return bool(text.strip()) and bool(text.encode())

    def is_session_id(self, text: str) -> bool:
        return bool(text.encode())


@fault("crash-on-odd-ids", "REQ-10", "REQ SSE-01")
class CrashesOnSessionId(ChatServer):
    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        try:
            return super().read_ask(body, over, default_session)
        except Refused as refused:
            if str(refused).startswith("session_id"):
                raise Crash from refused
            raise


@fault("stream-of-refusal", "REQ-03 REQ-06", "REQ ERR-04 SSE-01", may="REQ-04 REQ-10", unjudged="REQ-05")
class RefusesInAStream(ChatServer):
    """200 and an error event for a missing message."""

    def refusal(self, refused: Refused) -> web.Response:
        if refused.status == 400:
            return web.Response(body=self.encode({"error": refused.text}), content_type="text/event-stream")
        return super().refusal(refused)


@fault("plain-refusal", "REQ-05", "REQ ERR-04 SSE-01")
class RefusesInPlainText(ChatServer):
    def refusal(self, refused: Refused) -> web.Response:
        return web.Response(text=refused.text, status=refused.status)


@fault(
    "blank-asked",
    "REQ-06",
    "REQ SSE-01",
)
class AsksBlank(ChatServer):
    def is_message(self, text: str) -> bool:
        return is_unicode(text)


@fault("get-asks", "REQ-09", "REQ SSE-01")
class GetAsks(ChatServer):
    def app(self) -> web.Application:
        app = super().app()
        app.router.add_get("/api/chat/stream", self.on_get)
        return app

    async def on_get(self, request: web.Request) -> web.StreamResponse:
        return await self.send_stream(request, self.read_ask(dict(request.query)))


@fault("dies-of-size", "REQ-08", "REQ SSE-01", may="REQ-05")
class DropsLargeBodies(ChatServer):
    async def on_stream(self, request: web.Request) -> web.StreamResponse:
        if (request.content_length or 0) > 1 << 20:
            assert request.transport is not None
            request.transport.abort()
        return await super().on_stream(request)
