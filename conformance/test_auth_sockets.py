"""AUTH: JSON Web Tokens over Socket.IO."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, TooLate
from chatproof.conformance.suite.jwt import Forgery, User, early, forgeries
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.owned_sessions import count_of, owned_session, two_users
from chatproof.conformance.suite.settled import settled
from chatproof.conformance.suite.socket_tokens import (
    HANDSHAKE,
    IMPOSTOR,
    NOWHERE,
    PLACES,
    TokenPlace,
    TokenReading,
    ask_as,
    ask_on,
    enter,
    readings,
    upstream_for,
)
from chatproof.conformance.suite.together import together
from chatproof.harness.protocol.apis.chat_stream.completion_checks import user_of
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

UNREAD = f"the server was not seen to read a token over Socket.IO: {', '.join(one.name for one in PLACES)} were tried"
WHAT = "What was said so far?"


@requirement("AUTH-05", "AUTH-06")
async def test_a_token_names_its_user_and_a_forged_one_nobody(case: Case) -> None:
    """Wherever the server reads tokens: good ones of two users, and forged ones."""
    owner, other = two_users(case)
    session, said, _ = await owned_session(case, owner)
    found = await readings(case, owner, session, said.case)
    read = [one for one in found if one.reads]
    if known := [one for one in read if one.knows]:
        for one in known:
            await judge_names(case, one, owner, other)
    else:
        judge_no_name(case, owner, found)
    if not read:
        raise NotApplicable(UNREAD)
    anybody = await upstream_for(case, await ask_as(case, NOWHERE, "", session, WHAT))
    secret = said.case if said.case not in anybody else ""
    for one in read:
        all_forged = list(forgeries(case.lane.settings, owner, other.identity))
        users = (owner.identity, other.identity)
        found_out = await together(*(try_forgery(case, one.place, forged, session) for forged in all_forged))
        for forged, replies in zip(all_forged, found_out, strict=True):
            await judge_forgery(case, f"{forged.name}, in {one.place.name}", replies, users, secret)
    raise NotApplicable("no `chat_complete` names a user")  # where AUTH-05 has no verdict yet


async def judge_names(case: Case, one: TokenReading, owner: User, other: User) -> None:
    """Judge whom the replies on sockets name that are open at the same time. Where completions name nobody, the
    owner's own session was given to the socket of the owner, and that is all that can be seen."""
    if user_of(one.reply) is None:
        case.holds("AUTH-05", True, "", f"user {owner.identity!r}", one.reply)
        return
    who = [(owner, Transport.WEBSOCKET), (other, Transport.WEBSOCKET)]
    who += [(owner, Transport.POLLING), (other, Transport.UPGRADED)]
    nobody, *_ = [await enter(case, NOWHERE, "", over) for _, over in who[1:]]
    sockets = []
    for user, over in who:
        try:
            sockets.append((user, over, await enter(case, one.place, user.token, over)))
        except TooLate as refusal:
            seen = f"a valid token in {one.place.name}: {refusal}"
            case.holds("AUTH-05", False, seen, "a connection, as without a token", one.reply)
    for turn in ("first", "second"):
        for user, over, client in sockets:
            fields = one.place.fields(user.token)
            reply = await ask_on(case, client, fields, case.lane.new_session(), "Who am I?")
            seen = f"token in {one.place.name}, the {turn} ask over {over}: user {shown(user_of(reply))}"
            seen += "" if reply.completion else f"; {reply.outcome()}"
            case.holds("AUTH-05", user_of(reply) == user.identity, seen, f"user {user.identity!r}", reply)
        reply = await ask_on(case, nobody, {}, case.lane.new_session(), "Who am I?")
        seen = f"a socket without a token, beside those of two users: user {shown(user_of(reply))}"
        kept = user_of(reply) not in (owner.identity, other.identity)
        case.holds("AUTH-05", kept, seen, "neither of the two users", reply)


def judge_no_name(case: Case, owner: User, found: Sequence[TokenReading]) -> None:
    """Judge a server that does not take the owner for who they are, at no place."""
    for one in found:
        what = f"with a valid token in {one.place.name}"
        if one.reads and user_of(one.reply) is not None:
            seen = f"{what}: user {shown(user_of(one.reply))}, although the server reads it: it refuses a bad one there"
            case.holds("AUTH-05", False, seen, f"user {owner.identity!r}", one.reply)
        elif one.refuses and one.place.is_usual:
            case.holds("AUTH-05", False, f"{what}: {one.reply.outcome()}", "a reply, as without a token", one.reply)


async def try_forgery(case: Case, place: TokenPlace, forged: Forgery, session: str) -> list[Transcript]:
    """The replies to a forged token: in a session of its own, and over polling in that of the user that it claims to
    be."""
    alone = await ask_as(case, place, forged.token, case.lane.new_session(), WHAT)
    return [alone, await ask_as(case, place, forged.token, session, WHAT, Transport.POLLING)]


async def judge_forgery(
    case: Case, what: str, replies: Sequence[Transcript], users: tuple[str, ...], secret: str
) -> None:
    """Judge whom a forged token made of its bearer, and whether they were given what its owner had said."""
    for reply in replies:
        named = user_of(reply)
        case.holds("AUTH-06", named not in users, f"{what}: user {shown(named)}", "no user of the token", reply)
    leaked = secret != "" and secret in await upstream_for(case, replies[-1])
    seen = f"{what}: the owner's text went to the provider for this token"
    case.holds("AUTH-06", not leaked, seen, "none of the owner's text", replies[-1])


@requirement("AUTH-10")
async def test_a_token_of_tomorrow_names_nobody_on_a_socket(case: Case) -> None:
    """Wherever the server reads tokens over Socket.IO."""
    if not case.lane.shows(Profile.SOCKETIO):
        raise NotApplicable("profile socketio is not declared")
    owner, _ = two_users(case)
    forged = early(case.lane.settings, owner)
    session, said, _ = await owned_session(case, owner)
    read = [one.place for one in await readings(case, owner, session, said.case) if one.reads]
    anybody = await upstream_for(case, await ask_as(case, NOWHERE, "", session, WHAT))
    for place in read:
        reply = await ask_as(case, place, forged.token, session, WHAT)
        what = f"{forged.name}, in {place.name}"
        kept, seen = user_of(reply) != owner.identity, f"{what}: user {shown(user_of(reply))}"
        case.holds("AUTH-10", kept, seen, "no user of the token", reply)
        leaked = said.case not in anybody and said.case in await upstream_for(case, reply)
        seen = f"{what}: the owner's text went to the provider for this token"
        case.holds("AUTH-10", not leaked, seen, "none of the owner's text", reply)
    if not read:
        raise NotApplicable(UNREAD)


@requirement("AUTH-07")
async def test_a_users_session_is_theirs_alone(case: Case) -> None:
    """Sockets of another user and of a client without a token ask in a session that its owner began over SSE, and in
    one that was begun on a socket; for its owner nothing changes."""
    owner, other = two_users(case)
    session, said, count = await owned_session(case, owner)
    known = [one.place for one in await readings(case, owner, session, said.case) if one.knows]
    count = await settled(partial(count_of, case, session, owner.token)) or count
    strangers = [("a client without a token", NOWHERE, "")]
    strangers += [("a client that merely says that it is the owner", IMPOSTOR, owner.identity)]
    strangers += [("another user", place, other.token) for place in known or [HANDSHAKE]]
    for name, place, token in strangers:
        reply = await ask_as(case, place, token, session, WHAT)
        leaked = said.case in await upstream_for(case, reply)
        seen = f"what the owner had said over SSE went to the provider for {name}, over Socket.IO"
        case.holds("AUTH-07", not leaked, seen, "none of the owner's text", reply)
        await judge_owner(case, session, owner, count, name, reply)
        count = await settled(partial(count_of, case, session, owner.token)) or count
    for place in known[:1]:
        await judge_socket_session(case, owner, other, place)


async def judge_owner(case: Case, session: str, owner: User, count: int, name: str, stranger: Transcript) -> None:
    """Judge that a stranger's ask did not change the owner's session."""
    after = await count_of(case, session, owner.token)
    reply = await case.ask("Go on.", session=session, credential=owner.token)
    if stranger.case and stranger.case in await upstream_for(case, reply):
        seen = f"the owner's session holds what {name} said over Socket.IO"
        case.holds("AUTH-07", False, seen, "only the owner's text", reply)
        return
    seen = f"after an ask of {name} over Socket.IO the owner's `messages` is {after}"
    case.holds("AUTH-07", after == count, seen, f"{count}, as before", stranger)


async def judge_socket_session(case: Case, owner: User, other: User, place: TokenPlace) -> None:
    """Judge a session that its owner began on a socket: nobody else uses it, over either transport."""
    session = case.lane.new_session()
    said = await ask_as(case, place, owner.token, session, "This is my own secret, too.")
    if not case.lane.succeeded(said):
        case.cannot_judge("AUTH-07", f"the owner could not ask over Socket.IO: {said.outcome()}")
        return
    for name, token in (("a client without a token", None), ("another user", other.token)):
        source = case.lane.budget.addresses.fresh()
        over_sse = await case.ask(WHAT, session=session, credential=token, source=source)
        on_socket = await ask_as(case, place if token else NOWHERE, token or "", session, WHAT)
        for reply, over in ((over_sse, "SSE"), (on_socket, "Socket.IO")):
            leaked = said.case in await upstream_for(case, reply)
            seen = f"what the owner had said over Socket.IO went to the provider for {name}, over {over}"
            case.holds("AUTH-07", not leaked, seen, "none of the owner's text", reply)
