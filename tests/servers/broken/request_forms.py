"""Faults that REQ-12 and REQ-13 notice: requests that some clients write in another form."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.front import PACKET, Fronted, whole_request, with_length
from tests.servers.parts import Refused
from tests.servers.plain_server import ChatServer, Handler

ORDINARY, OLDER = "REQ-01 REQ-12", "REQ-01 REQ-13"


class Guarded(ChatServer):
    """Looks at each ask before it is read."""

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.append(self.guard)
        return app

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        is_ask = request.method == "POST" and request.path.startswith("/api/chat")
        return (self.instead(request) if is_ask else None) or await handler(request)

    def instead(self, request: web.Request) -> web.StreamResponse | None:
        """What is answered instead, if anything. Raises Refused."""
        return None


@fault("accept-by-name", "REQ-12", ORDINARY, says="with `Accept: */*`: status 406")
class AcceptByName(Guarded):
    def instead(self, request: web.Request) -> web.StreamResponse | None:
        if "text/event-stream" not in request.headers.get("Accept", ""):
            raise Refused(406, "This route answers with text/event-stream.")
        return None


@fault("chat-charset-refused", "REQ-12", ORDINARY, says="POST /api/chat with `Content-Type: application/json; charset=")
class ChatCharsetRefused(Guarded):
    """Has an older way to read one of its routes."""

    def instead(self, request: web.Request) -> web.StreamResponse | None:
        if request.path == "/api/chat" and "charset" in request.headers["Content-Type"]:
            raise Refused(415, "Content-Type must be application/json.")
        return None


@fault("accept-needed", "REQ-12", ORDINARY, says="with no Accept header: status 500")
class AcceptNeeded(Guarded):
    def instead(self, request: web.Request) -> web.StreamResponse | None:
        assert request.headers["Accept"]
        return None


@fault("document-for-anybody", "REQ-12", ORDINARY, says="with `Accept: */*`: status 200 and no event, but application/")
class DocumentForAnybody(Guarded):
    """A stream for those who name it, a document for those who take anything."""

    def instead(self, request: web.Request) -> web.StreamResponse | None:
        accepts = request.headers.get("Accept", "*/*")
        return web.json_response({"response": "Hello!"}) if accepts == "*/*" else None


@fault("charset-refused", "REQ-12", ORDINARY, says="charset=utf-8`: status 415")
class CharsetRefused(Guarded):
    def instead(self, request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Content-Type") != "application/json":
            raise Refused(415, "Content-Type must be application/json.")
        return None


@fault("query-not-found", "REQ-12", ORDINARY, says="with a query string in the URL: status 404")
class QueryNotFound(Guarded):
    """Compares the whole target of the request with its routes."""

    def instead(self, request: web.Request) -> web.StreamResponse | None:
        if request.raw_path not in ("/api/chat/stream", "/api/chat"):
            raise Refused(404, "Not found.")
        return None


@fault("decodes-packets", "REQ-12", ORDINARY, says="the provider got another text than 'Please say hello to Zo")
class DecodesPackets(ChatServer):
    """Makes text of each packet alone, so that a letter between two of them is lost."""

    async def read_object(self, request: web.Request) -> Any:
        text = ""
        async for packet in request.content.iter_any():
            text += packet.decode("utf-8", "replace")
        return json.loads(text)


@fault("first-packet", "REQ-12", ORDINARY, says="with a body that comes in two packets behind the headers: status 400")
class FirstPacket(Fronted):
    """Takes a request to be what one read gives."""

    def packet(self, packet: bytes) -> bytes:
        return with_length(packet) if packet.startswith(b"POST ") else b""


@fault("case-of-headers", "REQ-12", ORDINARY, says="with the names of all headers in small letters: status 400")
class CaseOfHeaders(Fronted):
    """Knows the length of a body only by `Content-Length`, written so."""

    async def take_requests(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while b"content-length" not in (whole := await whole_request(reader, rb"Content-Length: (\d+)")):
            server.write(whole)
        server.write(with_length(whole))
        await asyncio.sleep(0.1)  # until the answer has passed


@fault("one-for-a-connection", "REQ-12", ORDINARY, says="ask 2 on a connection that was left open: no answer")
class OneForAConnection(Fronted):
    """Leaves each connection open and never reads from it again."""

    async def take_requests(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        server.write(await whole_request(reader))
        while await reader.read(PACKET):
            pass


@fault("chunks-unread", "REQ-13", OLDER, says="with a chunked body (`Transfer-Encoding: chunked`): status 400")
class ChunksUnread(Fronted):
    """No Content-Length, no body."""

    def packet(self, packet: bytes) -> bytes:
        if b"\r\nTransfer-Encoding: chunked\r\n" not in packet:
            return packet
        return with_length(packet.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


@fault("length-needed", "REQ-13", OLDER, says="with a chunked body (`Transfer-Encoding: chunked`): status 500")
class LengthNeeded(Guarded):
    def instead(self, request: web.Request) -> web.StreamResponse | None:
        assert int(request.headers["Content-Length"]) >= 0
        return None


@fault("old-version-dropped", "REQ-13", OLDER, says="with HTTP/1.0: no answer: the connection was closed")
class OldVersionDropped(Fronted):
    def packet(self, packet: bytes) -> bytes:
        if b" HTTP/1.0\r\n" in packet:
            raise ConnectionResetError
        return packet


@fault("hangs-up-while-held", "REQ-13", OLDER, says="with `Expect: 100-continue`: no answer: the connection was closed")
class HangsUpWhileHeld(Fronted):
    """Sends no `100 Continue`, and has no patience either."""

    async def take_requests(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while packet := await reader.read(PACKET):
            server.write(packet.replace(b"\r\nExpect: 100-continue", b""))
            if packet.endswith(b"\r\n\r\n") and b"Expect:" in packet:
                async with asyncio.timeout(0.3):
                    server.write(await reader.read(PACKET))


@fault("expects-nothing", "REQ-13", OLDER, says="with `Expect: 100-continue`: status 500")
class ExpectsNothing(Guarded):
    def instead(self, request: web.Request) -> web.StreamResponse | None:
        assert "Expect" not in request.headers
        return None
