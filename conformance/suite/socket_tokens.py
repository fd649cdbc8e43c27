"""Sockets with a JSON Web Token: where a client can put it, and where a server is seen to read it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import TooLate
from chatproof.conformance.suite.jwt import User
from chatproof.conformance.suite.provider import upstream_text
from chatproof.harness.client.introduction import UNKNOWN, Introduction
from chatproof.harness.client.socketio import NotConnected, SocketClient
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ASK_EVENT, body_of
from chatproof.harness.protocol.apis.chat_stream.completion_checks import user_of
from chatproof.harness.protocol.apis.turns import bearer
from chatproof.harness.protocol.transcript import End, Transcript, Transport

NO_TOKEN = "garbage"


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a client puts its token: into the handshake, or into the payload of each ask."""

    name: str
    introduce: Callable[[str], Introduction] = lambda token: UNKNOWN
    fields: Callable[[str], Mapping[str, Any]] = lambda token: {}
    is_usual: bool = True  # else a server may refuse a client for what it puts there, whatever the token is


# The usual places first, then the others, several at once: servers pass over what they do not know.
PLACES = (
    TokenPlace("auth.token", lambda token: Introduction(auth={"token": token})),
    TokenPlace("the handshake's Authorization header", lambda token: Introduction(headers=bearer(token))),
    TokenPlace("the handshake's query", lambda token: Introduction(query=f"&token={token}")),
    TokenPlace("the payload", fields=lambda token: {"token": token}, is_usual=False),
    TokenPlace(
        "auth with `Bearer`",
        lambda token: Introduction(auth={"token": f"Bearer {token}", "authorization": f"Bearer {token}"}),
        is_usual=False,
    ),
    TokenPlace(
        "other fields of auth and of the query",
        lambda token: Introduction(query=f"&access_token={token}", auth={"jwt": token, "accessToken": token}),
        is_usual=False,
    ),
    TokenPlace(
        "other fields of the payload", fields=lambda token: {"access_token": token, "auth_token": token}, is_usual=False
    ),
)
NOWHERE = TokenPlace("no token")
HANDSHAKE = TokenPlace(
    "auth.token, header and query",
    lambda token: Introduction(headers=bearer(token), query=f"&token={token}", auth={"token": token}),
)

IMPOSTOR = TokenPlace(
    "a user's name",
    lambda name: Introduction((("X-User-Id", name), ("X-User", name)), f"&user={name}&user_id={name}", _named(name)),
    lambda name: _named(name),
)
"""Where a client without a token says who it is. Takes a name in place of a token."""


def _named(name: str) -> Mapping[str, str]:
    return dict.fromkeys(("user", "user_id", "userId", "username", "sub"), name)


@dataclass(frozen=True, slots=True)
class TokenReading:
    """What a server makes of a good token at one place.

    `knows`: it took its user for who they are. `refuses`: it turned the client away. `reads`: it knows the user, or
    treats the client otherwise than one with no token or with a bad one.
    """

    place: TokenPlace
    reply: Transcript
    knows: bool
    refuses: bool
    reads: bool


async def enter(case: Case, place: TokenPlace, token: str, over: Transport = Transport.WEBSOCKET) -> SocketClient:
    """Open a socket with a token, from a fresh address. Raises TooLate: the server does not take it."""
    return await case.connect(over, case.lane.budget.addresses.fresh(), introduction=place.introduce(token))


async def ask_on(case: Case, client: SocketClient, fields: Mapping[str, Any], session: str, text: str) -> Transcript:
    """Ask on an open socket, with further fields in the payload. A lost socket ends the reply."""
    name = case.lane.new_case()
    await case.lane.budget.pace(case.lane.api.path)  # a server may count all transports together
    payload = {**body_of(case.lane.message(text, "hello", name), session), **fields}
    try:
        reply = await client.emit(ASK_EVENT, payload, limits=case.lane.limits("hello"))
    except NotConnected as error:
        return turned_away(case, str(error))
    reply.case = name
    case.log.ask(reply)
    return await client.terminal(reply, case.lane.budget.deadlines)


async def ask_as(
    case: Case, place: TokenPlace, token: str, session: str, text: str, over: Transport = Transport.WEBSOCKET
) -> Transcript:
    """Ask once, on a socket of its own. Where the server does not let the socket in, the reply says why."""
    try:
        client = await enter(case, place, token, over)
    except TooLate as refusal:
        return turned_away(case, str(refusal))
    reply = await ask_on(case, client, place.fields(token), session, text)
    await client.disconnect()
    return reply


def turned_away(case: Case, why: str) -> Transcript:
    """The reply to a client that the server did not let in."""
    reply = Transcript(Transport.WEBSOCKET, api=case.lane.api, asked_at=time.monotonic())
    reply.ended(time.monotonic(), End.TRUNCATED, why)
    return reply


async def upstream_for(case: Case, reply: Transcript) -> str:
    """All text that went to the provider for a reply that is over; nothing where nobody can know."""
    if case.lane.provider is None or not reply.case:
        return ""
    return "\n".join(upstream_text(entry) for entry in await case.provider.entries(reply))


async def readings(case: Case, owner: User, session: str, secret: str) -> Sequence[TokenReading]:
    """Try a good token at each place. `session`: one of its owner's, in which they have said `secret`.

    Raises:
        TooLate: a socket without any token is not answered either.
    """
    nobodies = [await ask_as(case, NOWHERE, "", case.lane.new_session(), "Who am I?") for _ in range(2)]
    if failed := next((one for one in nobodies if not case.lane.succeeded(one)), None):
        raise TooLate(f"a socket without a token is not answered: {failed.outcome()}")
    guest, another = map(user_of, nobodies)  # not the same where each guest has a name of their own
    found = []
    for place in PLACES:
        reply = await ask_as(case, place, owner.token, case.lane.new_session(), "Who am I?")
        refuses = not case.lane.succeeded(reply)
        knows = user_of(reply) == owner.identity
        if not refuses and user_of(reply) is None:
            shown = [await ask_as(case, *who, session, "It is me.") for who in ((place, owner.token), (NOWHERE, ""))]
            knows = [secret in await upstream_for(case, one) for one in shown] == [True, False]
        reads = knows
        if not knows and not refuses:
            bad = await ask_as(case, place, NO_TOKEN, case.lane.new_session(), "Who am I?")
            reads = not case.lane.succeeded(bad) or guest == another != user_of(reply)
        found.append(TokenReading(place, reply, knows, refuses, reads))
    return found
