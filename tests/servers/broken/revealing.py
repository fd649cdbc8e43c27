"""Errors that tell of the provider: ERR-09."""

from __future__ import annotations

import json

import aiohttp
from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Event, ProviderFailed
from tests.servers.plain_server import ChatServer

ROWS = "ERR-09 ERR-04"


@fault("tells-url", "ERR-09", ROWS, says="the provider's address in")
class TellsUrl(ChatServer):
    """As Go's client writes an error."""

    def error_text(self, failure: ProviderFailed) -> str:
        return f'Post "{self.config.url}": {failure.__cause__ or failure}'


@fault("tells-why-not-connected", "ERR-09", "ERR-09", says="the provider's address in")
class TellsWhyNotConnected(ChatServer):
    """The client's own exception, which names the host where there is no connection."""

    def error_text(self, failure: ProviderFailed) -> str:
        cause = failure.__cause__
        return str(cause) if isinstance(cause, aiohttp.ClientConnectorError) else str(failure)


@fault("tells-provider-body", "ERR-09", ROWS, says="the provider's own error in")
class TellsBody(ChatServer):
    """Passes on what the provider said to a request that it refused."""

    async def refusal_text(self, response: aiohttp.ClientResponse) -> str:
        return f"Error code: {response.status} - {await response.text()}"


@fault("tells-provider-message", "ERR-09", ROWS, says="the provider's own error in")
class TellsMessageInMidReply(ChatServer):
    """The message of an error object in the stream, over sockets alone."""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        error = json.loads(data).get("error") if data.startswith("{") else None
        if error:
            raise ProviderFailed(error["message"])
        return super().read_chunk(data)

    async def send_event(self, response: web.StreamResponse, event: Event) -> None:
        told = {"error": "The language model reported an error."} if "error" in event else event
        await super().send_event(response, told)


@fault("tells-provider-port", "ERR-09", ROWS, says="the provider's port in")
class TellsPort(ChatServer):
    """As Python's sockets name an address; on /api/chat alone."""

    def chat_failure(self, error: str) -> web.Response:
        port = int(self.config.url.split(":")[2].split("/")[0])
        return super().chat_failure(f"Connect call failed {('localhost', port)}")
