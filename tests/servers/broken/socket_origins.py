"""Faults of CORS that the rows CORS-05 to CORS-07 notice: sockets, failures, caches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.plain_server import ChatServer, Handler

SOCKETS = "CORS-05 CORS-06 SIO-01"
ANSWERS = "CORS-02 CORS-07"


class _Origins(ChatServer):
    """Another idea of who may open a socket."""

    origins: Any = None

    def socket_origins(self) -> Any:
        return list(self.config.origins) if self.origins is None else self.origins


@fault("sockets-not-from-home", "CORS-05", SOCKETS, says="a page of the server's own origin")
class NotFromHome(_Origins):
    """python-socketio with a list refuses its own page."""


@fault("sockets-from-home-only", "CORS-05", SOCKETS, says="a page of the allowed origin")
class FromHomeOnly(ChatServer):
    def socket_is_allowed(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        return super().socket_is_allowed(origin, environ) and origin not in self.config.origins


@fault("sockets-for-all", "CORS-06", SOCKETS, says="access-control-allow-origin: https://evil.test")
class ForAll(_Origins):
    origins = "*"


class _Handshakes(ChatServer):
    """A proxy in front adds headers to the handshakes of Socket.IO, which checks no origin itself."""

    def socket_origins(self) -> Any:
        return []

    @web.middleware
    async def proxy(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        origin = request.headers.get("Origin")
        if origin and request.path.startswith("/socket.io/") and not response.prepared:
            response.headers.update(self.handshake_headers(origin))
        return response

    def handshake_headers(self, origin: str) -> dict[str, str]:
        return {}

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.append(self.proxy)
        return app


@fault("sockets-unreadable", "CORS-05", SOCKETS, says="may not read the answer")
class Unreadable(_Handshakes):
    """The handshake succeeds, and a browser keeps the answer from the allowed page."""


@fault("sockets-star", "CORS-06", SOCKETS, says="access-control-allow-origin: *")
class StarOnSockets(_Handshakes):
    def handshake_headers(self, origin: str) -> dict[str, str]:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"}


@fault("sockets-suffix", "CORS-06", SOCKETS, says="://evil")
class ComparesTheEndOnSockets(ChatServer):
    def socket_is_allowed(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        ends = tuple(one.partition("://")[2] for one in self.config.origins)
        return super().socket_is_allowed(origin, environ) or str(origin).endswith(ends)


@fault("sockets-refuse-posts", "CORS-05", SOCKETS, says="over polling")
class RefusesPosts(ChatServer):
    """A guard against forged requests knows its own forms only: no POST of another page."""

    def socket_is_allowed(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        is_post = environ["REQUEST_METHOD"] == "POST" and origin in self.config.origins
        return super().socket_is_allowed(origin, environ) and not is_post


@fault("cors-not-on-5xx", "CORS-07", ANSWERS, says="status 502, access-control-allow-origin: None")
class NotOnFailures(ChatServer):
    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        return {} if response.status >= 500 else super().cors_headers(request, response, origin)


@fault("cors-without-vary", "CORS-07", ANSWERS, says="vary: None")
class WithoutVary(ChatServer):
    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        headers = super().cors_headers(request, response, origin)
        return {name: value for name, value in headers.items() if name != "Vary"}


@fault("cors-vary-overwritten", "CORS-07", ANSWERS, says="vary: Accept-Encoding")
class VaryOverwritten(ChatServer):
    """What packs JSON says what it depends on itself, and forgets what stood there."""

    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        headers = super().cors_headers(request, response, origin)
        return {**headers, "Vary": "Accept-Encoding"} if response.content_type == "application/json" else headers


@fault("origins-inside-the-list", "CORS-03 CORS-06 CORS-07", "CORS", says="https://chat.exampl: ", contract=2)
class InsideTheList(ChatServer):
    """Looks for an origin in the text of the list. And what compresses says alone what an answer depends on."""

    def is_allowed(self, origin: str) -> bool:
        return origin in ",".join(self.config.origins)

    def socket_is_allowed(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        return super().socket_is_allowed(origin, environ) or self.is_allowed(origin or "")

    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        headers = super().cors_headers(request, response, origin)
        return {**headers, "Vary": "Accept-Encoding"} if "Accept-Encoding" in request.headers else headers
