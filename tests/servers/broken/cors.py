"""Faults that the rows of CORS notice."""

from __future__ import annotations

import re

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Refused
from tests.servers.plain_server import ChatServer

ONLY = "CORS SSE-01"


@fault("cors-echoes", "CORS-03", ONLY)
class EchoesAnyOrigin(ChatServer):
    def is_allowed(self, origin: str) -> bool:
        return True


@fault("cors-null", "CORS-03", ONLY)
class AllowsNull(ChatServer):
    def is_allowed(self, origin: str) -> bool:
        return origin == "null" or super().is_allowed(origin)


@fault("cors-star", "CORS-01 CORS-02 CORS-03 CORS-04", ONLY)
class StarWithCredentials(ChatServer):
    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        return {**super().cors_headers(request, response, self.config.origins[0]), "Access-Control-Allow-Origin": "*"}


@fault("cors-none", "CORS-01 CORS-02 CORS-04", ONLY)
class NoCors(ChatServer):
    def is_allowed(self, origin: str) -> bool:
        return False


@fault("cors-no-preflight", "CORS-01", ONLY)
class NoPreflight(ChatServer):
    async def on_preflight(self, request: web.Request) -> web.StreamResponse:
        raise Refused(405, "Method not allowed.")


@fault("cors-preflight-needs-token", "CORS-01", ONLY)
class PreflightNeedsToken(ChatServer):
    """Browsers send none with it."""

    async def on_preflight(self, request: web.Request) -> web.StreamResponse:
        raise Refused(401, "A token is needed.")


class _Preflight(ChatServer):
    """Another answer to a preflight."""

    allows = "*"

    def preflight_headers(self) -> dict[str, str]:
        return {**super().preflight_headers(), "Access-Control-Allow-Headers": self.allows}


@fault("cors-star-headers", "CORS-01", ONLY)
class StarForHeaders(_Preflight):
    pass


@fault("cors-no-authorization", "CORS-01", ONLY)
class NoAuthorization(_Preflight):
    allows = "Content-Type"


@fault("cors-no-credentials", "CORS-01", ONLY)
class NoCredentials(ChatServer):
    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        headers = super().cors_headers(request, response, origin)
        return {name: value for name, value in headers.items() if name != "Access-Control-Allow-Credentials"}


@fault("cors-not-on-stream", "CORS-02", ONLY)
class NotOnStream(ChatServer):
    """Streams are sent past what adds the headers."""

    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        is_stream = response.headers.get("Content-Type", "").startswith("text/event-stream")
        return {} if is_stream else super().cors_headers(request, response, origin)


@fault("cors-closes", "", ONLY, unjudged="CORS-02 CORS-03 CORS-04", says="/api/chat/stream: no answer: the")
class ClosesOnOrigin(ChatServer):
    """A page of another origin gets no answer at all from the stream."""

    async def on_stream(self, request: web.Request) -> web.StreamResponse:
        if "Origin" in request.headers and request.transport:
            request.transport.close()
        return await super().on_stream(request)


@fault(
    "cors-not-for-users",
    "CORS-02",
    "CORS-02",
    says="with a token: status 200, access-control-allow-origin: None",
    contract=2,
)
class NotForUsers(ChatServer):
    """What knows users answers them itself, in front of what adds the headers."""

    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        return {} if "Authorization" in request.headers else super().cors_headers(request, response, origin)


@fault("cors-not-on-errors", "CORS-04", ONLY)
class NotOnErrors(ChatServer):
    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        return {} if response.status >= 400 else super().cors_headers(request, response, origin)


@fault("cors-not-on-429", "CORS-04", ONLY)
class NotOnTooMany(ChatServer):
    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        return {} if response.status == 429 else super().cors_headers(request, response, origin)


@fault("cors-prefix", "CORS-03", ONLY)
class ComparesTheBeginning(ChatServer):
    def is_allowed(self, origin: str) -> bool:
        return origin.startswith(self.config.origins)


@fault("cors-suffix", "CORS-03", ONLY)
class ComparesTheEnd(ChatServer):
    """Of the host alone: other schemes pass too."""

    def is_allowed(self, origin: str) -> bool:
        return origin.endswith(self.config.origins[0].partition("://")[2])


@fault("cors-pattern", "CORS-03", ONLY)
class TakesDotsForAny(ChatServer):
    def is_allowed(self, origin: str) -> bool:
        return any(re.fullmatch(one, origin) for one in self.config.origins)


@fault("all-origins-in-one-header", "CORS-01 CORS-02", "CORS-01 CORS-02", may="CORS-04", contract=2)
class AllOriginsInOne(ChatServer):
    """The header holds the list of all allowed origins, which no browser takes."""

    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        headers = super().cors_headers(request, response, origin)
        if "Access-Control-Allow-Origin" in headers:
            headers["Access-Control-Allow-Origin"] = ",".join(self.config.origins)
        return headers
