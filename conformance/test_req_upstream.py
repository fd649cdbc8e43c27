"""REQ-14 and REQ-15: what the server sends to its provider beside the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable, TooLate
from chatproof.conformance.suite.jwt import users
from chatproof.conformance.suite.marks import over_both, requirement
from chatproof.conformance.suite.provider import messages_of, upstream_text, upstream_texts
from chatproof.fake_providers.dialects.provider_variables import KEY_VARIABLES
from chatproof.fake_providers.journal.entry import Entry
from chatproof.harness.client.http import Deadlines, HttpRequest
from chatproof.harness.client.introduction import Introduction
from chatproof.harness.protocol.apis.api import Headers
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ASK_EVENT, CHAT_PATH, STREAM_PATH, body_of
from chatproof.harness.protocol.apis.turns import bearer
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

# what stands in a request whose key was never set, or was not read
NO_KEYS = ("undefined", "null", "None", "nil", "NaN", "[object Object]", "${%s}", "$%s", "%s")
OBJECT_FIELDS = ("options", "config", "settings", "params", "parameters", "overrides", "extra_body", "model_kwargs")
TEXT_FIELDS = (
    *("messages", "history", "chat_history", "conversation", "system", "system_prompt", "systemPrompt"),
    *("system_message", "systemMessage", "systemInstruction", "persona", "instructions", "prompt", "context", "note"),
    *OBJECT_FIELDS,
)
URL_FIELDS = ("base_url", "baseURL", "baseUrl", "api_base", "endpoint")
KEY_FIELDS = ("api_key", "apiKey", "openai_api_key", "openaiApiKey")
# where clients bring a key of their own, and gateways leave one
KEY_HEADERS = (
    "X-API-Key",
    "API-Key",
    "X-OpenAI-API-Key",
    "X-OpenAI-Key",
    "OpenAI-API-Key",
    "X-LLM-API-Key",
    "X-Goog-Api-Key",
)
A_CLIENT = "203.0.113.77"  # an address that nobody has (RFC 5737)
REFUSED = range(400, 500)


@over_both
@requirement("REQ-14")
async def test_the_provider_gets_the_servers_own_key(case: Case, transport: Transport) -> None:
    """Neither a word for nothing nor what a client sent as its own; also where the client brings a token."""
    own_of_clients = [token_of(case), f"client-key-{case.lane.new_case()}"]
    headers = (*bearer(own_of_clients[0]), *((name, own_of_clients[1]) for name in KEY_HEADERS))
    replies = [await case.ask(over=transport), *await ask_as(case, transport, headers, own_of_clients[0])]
    if transport is Transport.SSE and case.lane.shows(Profile.CHAT):
        replies.append(await case.ask_plain())
    wrong = await wrong_keys(case, own_of_clients)
    entries = [(reply, entry) for reply in replies for entry in await case.provider.entries(reply)]
    if not entries:
        raise NotTestable(f"the provider was never asked: {replies[0].outcome()}")
    for reply, entry in entries:
        seen = wrong.get(entry.key, "")
        case.holds("REQ-14", not seen, f"the provider was asked with {seen}", "the server's own API key", reply)


async def ask_as(case: Case, transport: Transport, headers: Headers, token: str = "") -> list[Transcript]:
    """A reply to a client that brings these headers, over SSE one of `/api/chat` too, over sockets with the handshake;
    none where it is not let in."""
    if transport is Transport.SSE:
        replies = [await case.ask(headers=headers)]
        return [*replies, await case.ask_plain(headers=headers)] if case.lane.shows(Profile.CHAT) else replies
    who = Introduction(headers=headers, auth={"token": token} if token else None)
    try:
        return [await (await case.start(socket=await case.connect(transport, introduction=who))).finish()]
    except TooLate:
        return []


async def wrong_keys(case: Case, of_clients: list[str]) -> dict[int, str]:
    """The keys that are not the server's, in words, by their numbers in the journal.

    A server that the suite did not start may have been started without a key: then a missing one is no finding. A local
    model needs none.
    """
    told = dict.fromkeys(of_clients, "the key or token that the client had sent")
    key, variable = case.lane.scene.key, KEY_VARIABLES.get(case.lane.state.name)
    if key and variable:
        told |= {"": "no API key"}
        told |= {word: f"the API key {word!r}" for word in (one.replace("%s", variable) for one in NO_KEYS)}
        mangled = (f'"{key}"', f"'{key}'", key.lower(), key.upper(), key[:-1], key[1:], f"Bearer {key}")
        told |= {one: f"a spoiled copy of the key in {variable}" for one in mangled if one != key}
    return dict(zip(await case.provider.fakes.key_numbers(*told), told.values(), strict=True))


def token_of(case: Case) -> str:
    """A user's token, valid where the suite knows the secret."""
    try:
        return users(case.lane.settings, (f"user-{case.lane.new_case()}", f"user-{case.lane.new_case()}"))[0].token
    except NotTestable:
        return f"client-token-{case.lane.new_case()}"


@dataclass(slots=True)
class Trap:
    """A listener of the suite's own. `asked`: the paths that somebody asked it for."""

    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Note what one connection asks for, and close it."""
        try:
            async with asyncio.timeout(1):
                line = await reader.readline()
        except TimeoutError:
            line = b""
        self.asked.append(line.decode("latin-1").partition(" ")[2].partition(" ")[0])
        writer.close()


@asynccontextmanager
async def trap() -> AsyncIterator[Trap]:
    """Listen on a free port of 127.0.0.1."""
    one = Trap()
    server = await asyncio.start_server(one.hear, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()


@over_both
@requirement("REQ-15", of_document=True)
async def test_unknown_fields_stay_out_of_the_providers_request(case: Case, transport: Transport) -> None:
    """Texts and addresses in fields that the API does not have, all in one request, and texts in its query. A 4xx
    refuses them properly."""
    paths = [STREAM_PATH]
    if transport is Transport.SSE and case.lane.shows(Profile.CHAT):
        paths.append(CHAT_PATH)
    for path in paths:
        async with trap() as other:
            name = case.lane.new_case()
            mark = f"intruder-{case.lane.new_case()}"
            message = case.lane.message("Please say hello.", "hello", name)
            body = intruding(case, name, mark, other.port) | body_of(message, case.lane.new_session())
            query = urlencode({field: f"{mark}-query" for field in TEXT_FIELDS if field not in OBJECT_FIELDS})
            reply = await send(case, transport, f"{path}?{query}", body)
            reply.case = name
            seen = f"the server asked http://127.0.0.1:{other.port}{', '.join(other.asked)}, which the client had named"
            kept = case.holds("REQ-15", not other.asked, seen, "the provider's own address", reply)
            if kept and reply.status not in REFUSED:
                await judge_entries(case, reply, mark, "the client's field")
                await judge_role(case, reply)


@over_both
@requirement("REQ-15")
async def test_a_clients_headers_stay_out_of_the_providers_request(case: Case, transport: Transport) -> None:
    """Its cookies and X- headers."""
    mark = f"intruder-{case.lane.new_case()}"
    headers: Headers = (
        ("Cookie", f"preferences={mark}"),
        ("X-Chatproof-Note", mark),
        ("X-User-Email", f"{mark}@example.org"),
        ("X-Forwarded-For", A_CLIENT),
    )
    for reply in await ask_as(case, transport, headers):
        await judge_entries(case, reply, mark, "the client's header")
    if not case.records:
        case.cannot_judge("REQ-15", "a client with a cookie and X- headers could not connect")


def intruding(case: Case, name: str, mark: str, port: int) -> dict[str, Any]:
    """Fields that a request does not have; some hold such fields themselves. Each text holds the mark and its field's
    name, and plays the script, since a server may ask its provider with that text instead of the message."""
    fields: dict[str, Any] = {one: case.lane.message(f"{mark}-{one}.", "hello", name) for one in TEXT_FIELDS}
    for one in ("messages", "history"):
        fields[one] = [{"role": role, "content": fields[one]} for role in ("system", "user", "assistant", "user")]
    urls = {one: f"http://127.0.0.1:{port}/{one}" for one in URL_FIELDS}
    for one in OBJECT_FIELDS:
        fields[one] = {"messages": [{"role": "user", "content": fields[one]}], "system": fields[one], **urls}
    return fields | urls | {one: f"{mark}-{one}" for one in KEY_FIELDS} | {"role": "system"}


async def send(case: Case, transport: Transport, path: str, body: dict[str, Any]) -> Transcript:
    """Send a body as it is over a route, and give the whole answer."""
    if transport is Transport.SSE:
        return await case.request(HttpRequest.json("POST", path, body), deadlines=Deadlines(silence=30))
    client = await case.connect(transport)
    reply = await client.emit(ASK_EVENT, body)
    await client.terminal(reply, Deadlines(silence=30))
    await client.disconnect()
    return reply


async def requests_of(case: Case, reply: Transcript) -> list[Entry]:
    """The provider's requests for a reply; also those in which its message is not the user's, or not the last."""
    by_case = await case.provider.entries(reply)
    return by_case or [one for one in await case.provider.fakes.entries() if reply.case in upstream_text(one)]


async def judge_role(case: Case, reply: Transcript) -> None:
    """Judge that the message is the user's, whatever role the client named."""
    for entry in await requests_of(case, reply):
        history = messages_of(entry)
        roles = {role: text for role, text in history if reply.case in text}
        seen = f"the client's field role made its message one of the {', '.join(roles)}: {shown(history, 400)}"
        case.holds("REQ-15", not roles or "user" in roles, seen, "a message of the user", reply)


async def judge_entries(case: Case, reply: Transcript, mark: str, what: str) -> None:
    """Judge that no request to the provider holds a text that the client sent beside its message."""
    if not (entries := await requests_of(case, reply)):
        case.cannot_judge("REQ-15", f"the provider was never asked: {reply.outcome()}")
    numbers = await case.provider.fakes.key_numbers(*(f"{mark}-{one}" for one in KEY_FIELDS))
    for entry in entries:
        found = intruders(entry, mark)
        found += [(one, "as API key") for one, number in zip(KEY_FIELDS, numbers, strict=True) if number == entry.key]
        seen = f"the provider's request holds {what} {', '.join(f'{name} ({shown(text)})' for name, text in found)}"
        case.holds("REQ-15", not found, seen, "nothing but the message", reply)


def intruders(entry: Entry, mark: str) -> list[tuple[str, str]]:
    """The client's fields and headers that a provider's request holds, each with a text. The journal hides cookies."""
    texts = [text for text in upstream_texts(entry.body) if mark in text or A_CLIENT in text]
    fields = [(name, text) for name in TEXT_FIELDS for text in texts[:9] if f"{mark}-{name}." in text]
    headers = [
        (name, value) for name, value in entry.headers.items() if mark in value or name == "cookie" or A_CLIENT in value
    ]
    return list(dict(fields + headers or [("in a text", text) for text in texts]).items())
