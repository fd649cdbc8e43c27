"""Faults in what goes to the provider beside the conversation: REQ-14 and REQ-15."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from tests.servers.broken.fault import fault
from tests.servers.client_request import KnowsItsClient
from tests.servers.parts import Ask, Message, Session
from tests.servers.plain_server import ChatServer

ROWS = "REQ-14 REQ-15"


@fault("undefined-key", "REQ-14", ROWS, says="the API key 'undefined'")
class UndefinedKey(ChatServer):
    """As JavaScript writes a variable that nobody set."""

    def credentials(self) -> dict[str, str]:
        return {"Authorization": "Bearer undefined"}


@fault("no-key", "REQ-14", ROWS, says="the provider was asked with no API key")
class NoKey(ChatServer):
    def credentials(self) -> dict[str, str]:
        return {}


@fault("key-in-quotes", "REQ-14", ROWS, says="a spoiled copy of the key in OPENAI_API_KEY")
class KeyInQuotes(ChatServer):
    """As it stands in a file of variables."""

    def credentials(self) -> dict[str, str]:
        return {"Authorization": f'Bearer "{self.config.key}"'}


@fault("clients-token-passed-on", "REQ-14", ROWS, says="the key or token that the client had sent")
class ClientsToken(KnowsItsClient):
    """One Authorization header for both directions."""

    def credentials(self) -> dict[str, str]:
        return {"Authorization": self.headers.get("authorization", f"Bearer {self.config.key}")}


@fault("clients-key-passed-on", "REQ-14", ROWS, says="the key or token that the client had sent")
class ClientsKey(KnowsItsClient):
    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.headers.get('x-api-key', self.config.key)}"}


@fault("body-spread", "REQ-15", ROWS, says="holds the client's field messages")
class BodySpread(KnowsItsClient):
    def question(self, messages: list[Message]) -> dict[str, Any]:
        return {**super().question(messages), **self.body.get()}


@fault("body-spread-below", "REQ-15", ROWS, says="holds the client's field history")
class BodySpreadBelow(KnowsItsClient):
    """The server's own fields stay as they are."""

    def question(self, messages: list[Message]) -> dict[str, Any]:
        return {**self.body.get(), **super().question(messages)}


@fault("socket-system-text", "REQ-15", ROWS, says="holds the client's field system_prompt")
class SocketSystemText(KnowsItsClient):
    """A leftover of the first version, over sockets alone."""

    def question(self, messages: list[Message]) -> dict[str, Any]:
        text = self.body.get().get("system_prompt")
        is_socket = self.request.get() is None
        return super().question([{"role": "system", "content": text}, *messages] if text and is_socket else messages)


@fault("clients-base-url", "REQ-15", ROWS, says="/base_url/chat/completions, which the client had named")
class ClientsBaseUrl(KnowsItsClient):
    """Sends the whole conversation, and its key, to wherever a client wants."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        asked = copy.copy(self)
        if url := self.body.get().get("base_url"):
            asked.config = replace(self.config, url=f"{url}/chat/completions")
        async with aclosing(ChatServer.tokens(asked, messages, ask)) as tokens:
            async for token in tokens:
                yield token


@fault("headers-passed-on", "REQ-15", ROWS, says="holds the client's header")
class HeadersPassedOn(KnowsItsClient):
    def credentials(self) -> dict[str, str]:
        passed = {name: value for name, value in self.headers.items() if name.startswith("x-user")}
        return {**passed, **super().credentials()}


@fault("cookies-passed-on", "REQ-15", ROWS, says="holds the client's header cookie")
class CookiesPassedOn(KnowsItsClient):
    def credentials(self) -> dict[str, str]:
        passed = {name: value for name, value in self.headers.items() if name == "cookie"}
        return {**passed, **super().credentials()}


@fault("role-of-client", "REQ-15", ROWS, says="the client's field role made its message one of the system")
class RoleOfClient(KnowsItsClient):
    """Spreads the body into the message."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        role = self.body.get().get("role", "user")
        return [*session.messages, {"role": role, "content": message}]


@fault("key-of-body", "REQ-15", ROWS, says="holds the client's field api_key ('as API key')")
class KeyOfBody(KnowsItsClient):
    """As a client library does with all keywords that it is given; on sockets alone."""

    def credentials(self) -> dict[str, str]:
        key = self.body.get().get("api_key") if self.request.get() is None else None
        return {"Authorization": f"Bearer {key or self.config.key}"}


@fault("forwarded-for-passed-on", "REQ-15", ROWS, says="holds the client's header x-forwarded-for ('203.0.113.77')")
class ForwardedForPassedOn(KnowsItsClient):
    def credentials(self) -> dict[str, str]:
        passed = {name: value for name, value in self.headers.items() if name == "x-forwarded-for"}
        return {**passed, **super().credentials()}


@fault("handshakes-token-passed-on", "REQ-14", ROWS, says="the key or token that the client had sent")
class HandshakesToken(ChatServer):
    """The token that a socket was opened with goes to the provider."""

    token: ContextVar[str] = ContextVar("token", default="")

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        self.token.set(self.sio.get_environ(sid).get("HTTP_AUTHORIZATION", ""))
        await super().on_chat_stream(sid, *args)

    def credentials(self) -> dict[str, str]:
        return {"Authorization": self.token.get() or f"Bearer {self.config.key}"}
