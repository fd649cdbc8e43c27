"""AUTH: several people at once, tokens at other places, and ways around the owner of a session."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, without
from chatproof.conformance.suite.jwt import claims, forgeries, identity_of, signed
from chatproof.conformance.suite.lane import STREAM
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.owned_sessions import count_of, owned_session, two_users, upstream_of, write_to
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.conformance.suite.signed_in import NO_USERS, tokens_for
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines, HttpRequest, json_of
from chatproof.harness.protocol.apis.api import Headers
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, SESSIONS_PATH, STREAM_PATH, body_of
from chatproof.harness.protocol.apis.chat_stream.completion_checks import user_of
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript

WHAT = "What was said?"
NAMES = ("token", "access_token", "jwt", "auth", "authorization")  # of a token in a query, a cookie and a body
HEADERS = ("X-Access-Token", "X-Auth-Token", "X-Token", "X-JWT")
SUBJECTS = ("zoë.{}+chat@example.com", "auth0|{}")  # as identity providers name users
# How servers put a user in front of the ids of their sessions. An id that a client makes up must not meet them.
WITHIN = ("{user}:{id}", "{user}/{id}", "{user}_{id}", "{user}-{id}", "{user}.{id}", "user:{user}:{id}")
# Where servers show what was said in a session.
READS = (
    *(f"{SESSIONS_PATH}SESSION/{name}" for name in ("messages", "history", "export")),
    *(f"/api/{name}/SESSION" for name in ("chat/history", "chat/messages", "sessions", "history", "conversations")),
    *(f"/api/{name}?session_id=SESSION" for name in ("chat/history", "chat/messages", "history", "messages")),
)


@requirement("AUTH-01")
async def test_users_at_once_are_told_apart(case: Case) -> None:
    """Two users and a client without a token ask at the same time; each is told who they are."""
    needs_a_later_revision(case)
    owner, other = two_users(case)
    users = (owner, other)
    credentials = (owner.token, other.token, None)
    asks = (case.ask("Who am I?", script="paced", credential=one, source=_fresh(case)) for one in credentials)
    *replies, nobody = await together(*asks)
    for user, reply in zip(users, replies, strict=True):
        if reply.completion:
            seen = f"beside asks of others: user {shown(user_of(reply))}"
            case.holds("AUTH-01", user_of(reply) == user.identity, seen, f"user {user.identity!r}", reply)
    seen = f"a client without a token, beside asks of two users: user {shown(user_of(nobody))}"
    is_nobody = user_of(nobody) not in (owner.identity, other.identity)
    case.holds("AUTH-01", is_nobody, seen, "neither of the two users", nobody)


@requirement("AUTH-01")
async def test_the_user_is_who_asks(case: Case) -> None:
    """A user asks in a session that was begun without a token (which a server may refuse), and users ask whose names
    are addresses, or not of ASCII."""
    needs_a_later_revision(case)
    owner, _ = two_users(case)
    session, source = case.lane.new_session(), _fresh(case)
    await case.ask("I have no token yet.", session=session, source=source)
    reply = await case.ask("Now I have one.", session=session, credential=owner.token, source=source)
    told = [("in a session that was begun without a token", owner.identity, reply)]
    if case.lane.settings.jwt_secret:
        for form in SUBJECTS:
            name = form.format(case.lane.new_session())
            token = signed(claims(name), case.lane.settings.jwt_secret)
            told.append((f"with the `sub` {name!r}", name, await case.ask("Who am I?", credential=token)))
    for what, name, reply in told:
        seen = f"{what}: user {shown(user_of(reply))}"
        case.holds("AUTH-01", not reply.completion or user_of(reply) == name, seen, f"user {name!r}", reply)


@requirement("AUTH-02")
async def test_a_forged_token_names_nobody_at_other_places(case: Case) -> None:
    """In the query, as EventSource needs it, in cookies, in other headers and in the body."""
    needs_a_later_revision(case)
    owner, other = two_users(case)
    session, said, _ = await owned_session(case, owner)
    every = {one.name: one for one in forgeries(case.lane.settings, owner, other.identity)}
    forged = every["signed with another key"]
    fields = dict.fromkeys(NAMES, forged.token)
    cookies = (("Cookie", "; ".join(f"{name}={value}" for name, value in fields.items())),)
    anybody = await upstream_of(case, await case.ask(WHAT, session=session, source=_fresh(case)))
    places: tuple[tuple[str, str, Headers, dict[str, str]], ...] = (
        ("the query", f"?{urlencode(fields)}", (), {}),
        ("a cookie", "", cookies, {}),
        ("a header of another name", "", tuple((name, forged.token) for name in HEADERS), {}),
        ("the body", "", (), fields),
    )
    for place, query, headers, body in places:
        name = case.lane.new_case()
        ask = {**body_of(case.lane.message(WHAT, "hello", name), session), **body}
        reply = await case.request(HttpRequest.json("POST", STREAM_PATH + query, ask, headers), _fresh(case))
        reply.case = name
        what = f"a token {forged.name}, in {place}"
        seen = f"user {shown(user_of(reply))} for {what}"
        case.holds("AUTH-02", user_of(reply) != owner.identity, seen, "not the user", reply)
        leaked = said.case not in anybody and said.case in await upstream_of(case, reply)
        seen = f"the owner's text went to the provider for {what}"
        case.holds("AUTH-02", not leaked, seen, "none of the owner's text", reply)


@requirement("AUTH-04")
async def test_a_connection_is_no_user(case: Case) -> None:
    """A client without a token asks on a connection over which the owner has asked: a proxy sends the requests of many
    people over one."""
    needs_a_later_revision(case)
    owner, _ = two_users(case)
    session, said, _ = await owned_session(case, owner)
    name = case.lane.new_case()
    conversation = case.lane.conversation("It is me.", "hello", name, credential=owner.token)
    _, connection = await case.on_kept(None, case.lane.request(conversation, STREAM))
    name = case.lane.new_case()
    request = case.lane.request(case.lane.conversation(WHAT, "hello", name, session), STREAM)
    reply, _ = await case.on_kept(connection, request)
    reply.case = name
    what = "a client without a token, on a connection over which the owner had asked before"
    seen = f"{what}: user {shown(user_of(reply))}"
    case.holds("AUTH-04", user_of(reply) != owner.identity, seen, "not the owner", reply)
    seen = f"{what}: the owner's text went to the provider"
    case.holds("AUTH-04", said.case not in await upstream_of(case, reply), seen, "none of it", reply)


@requirement("AUTH-04")
async def test_no_other_way_leads_to_a_users_session(case: Case) -> None:
    """A client without a token tries ids that begin with the owner's name, and routes that could show what was said."""
    needs_a_later_revision(case)
    owner, _ = two_users(case)
    session, said, _ = await owned_session(case, owner)
    empty = await count_of(case, case.lane.new_session(), None) or 0
    ids = [form.format(user=owner.identity, id=session) for form in WITHIN]
    counts = await together(*(count_of(case, quote(one, safe=""), None) for one in ids))
    for one, count in zip(ids, counts, strict=True):
        seen = f"GET of the id {one!r} shows a client without a token {count} messages"
        case.holds("AUTH-04", (count or 0) <= empty, seen, "none of the owner's", said)
    paths = [path.replace("SESSION", session) for path in READS]
    answers = await together(*(case.request_once(HttpRequest("GET", path), _fresh(case)) for path in paths))
    for answer in answers:
        seen = f"{answer.request} shows a client without a token what the owner said: {shown(json_of(answer), 300)}"
        case.holds("AUTH-04", said.case.encode() not in answer.body, seen, "nothing of it", said)


@requirement("AUTH-04", "CHAT-06")
async def test_what_a_user_says_over_chat_is_theirs_alone(case: Case) -> None:
    """The owner asks twice over `/api/chat`. Another user and a client without a token ask in that session, over both
    routes; then the owner asks once more."""
    needs_a_later_revision(case)
    case.needs_provider()
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable("profile chat is not declared, or not shown")
    tokens = await tokens_for(case, 2)
    if len(set(map(identity_of, tokens))) < 2:
        raise NotApplicable(NO_USERS)
    owner, other = tokens
    session = case.lane.new_session()
    said = await chat_as(case, owner, session, "This is my own secret.")
    if said.status != 200:
        raise without(said, f"a user with a valid token could not ask {CHAT_PATH}: {said.outcome()}")
    again = await chat_as(case, owner, session, "What did I say?")
    kept = again.status == 200 and said.case in await upstream_of(case, again)
    if not kept and not await remembers_anybody(case):
        raise NotApplicable(f"{CHAT_PATH} remembers nobody, which another test of CHAT-06 judges")
    seen = f"the second exchange of a signed-in user's session: {again.outcome()}"
    seen += "" if again.status != 200 else ", and the provider got nothing of the first one"
    if not case.holds("CHAT-06", kept, seen, "an answer that knows the first exchange", again):
        case.cannot_judge("AUTH-04", f"{CHAT_PATH} does not remember what a signed-in user says (CHAT-06)")
        return
    others: list[str] = []
    for name, credential in (("another user", other), ("a client without a token", None)):
        for route, upstream, answer in (await write_to(case, session, credential)).by_route():
            seen = f"what the owner had said over {CHAT_PATH} went to the provider for {name}, over {route}"
            case.holds("AUTH-04", said.case not in upstream, seen, "none of the owner's text", answer)
            others.append(answer.case)
    last = await chat_as(case, owner, session, "Go on.")
    upstream = await upstream_of(case, last)
    strange = any(one in upstream for one in others)
    seen = f"the owner's session on {CHAT_PATH} holds what somebody else said"
    if not strange:
        seen = f"after others had asked, the owner's next ask of {CHAT_PATH} lacks what they had said: {last.outcome()}"
    case.holds("AUTH-04", said.case in upstream and not strange, seen, "the owner's text, and nothing of others", last)


async def remembers_anybody(case: Case) -> bool:
    """Whether `/api/chat` remembers what a client without a token says."""
    session = case.lane.new_session()
    said, again = [await chat_as(case, None, session, text) for text in ("It is me.", "Again.")]
    return again.status == 200 and said.case in await upstream_of(case, again)


async def chat_as(case: Case, token: str | None, session: str, text: str) -> Transcript:
    """Ask `/api/chat` as a user, or without a token."""
    return await case.ask_plain(text, session=session, credential=token, deadlines=Deadlines(silence=30))


def _fresh(case: Case) -> str | None:
    return case.lane.budget.addresses.fresh()
