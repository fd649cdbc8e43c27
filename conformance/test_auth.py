"""AUTH: JSON Web Tokens over HTTP."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.jwt import Forgery, User, early, forgeries, names_for_tokens, why_refused
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.owned_sessions import (
    Written,
    count_of,
    owned_session,
    two_users,
    upstream_of,
    write_to,
)
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.conformance.suite.session_requests import look_up
from chatproof.conformance.suite.settled import settled
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines, HttpRequest, json_of
from chatproof.harness.protocol.apis.chat_stream.chat_stream import (
    CHAT_PATH,
    MESSAGES,
    SESSIONS_PATH,
    STREAM_PATH,
    USER,
    body_of,
)
from chatproof.harness.protocol.apis.chat_stream.completion_checks import user_of
from chatproof.harness.protocol.apis.turns import bearer
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import is_integer
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript

REFUSED = (401, 422)
# Where servers list sessions. A route that is not there answers 404. USER becomes the owner's name.
LISTS = (
    *(
        f"/api/chat/sessions{rest}"
        for rest in ("", "/", "/all", "/list", "/*", "/%25", "?all=true", "?user=USER", "?user_id=USER")
    ),
    *(f"/api/chat/{name}" for name in ("sessions/nobody-knows-this", "session", "history", "conversations", "stats")),
    *(f"/api/{name}" for name in ("sessions", "history", "conversations", "chats", "threads", "stats", "status")),
    *("/sessions", "/history", "/health", "/status", "/metrics", "/stats", "/debug", "/debug/sessions", "/admin"),
    *("/admin/sessions", "/api/admin/sessions"),
    *(
        f"/api/{name}"
        for name in ("health", "metrics", "debug", "chat/health", "chat/status", "chat/list", "chat/threads")
    ),
    *("/debug/vars", "/actuator/httpexchanges", "/telescope/requests", "/varz", "/api/admin/stats", "/api/v1/sessions"),
    *("/healthz", "/info", "/api/chat/sessions/search?q=", "/actuator/sessions", "/api/users/USER/sessions"),
)
# How gateways name a user to the server behind them. Who takes them from everybody has no authentication.
NAMING_HEADERS = ("X-User-Id", "X-User", "X-Username", "X-Auth-User", "X-User-Email")
NAMING_FIELDS = ("user", "user_id", "userId", "username")
LOOKS_AT_ONCE = 16  # not all: a busy machine might answer none of them in time
NOBODY = None  # the credential of somebody without a token


@requirement("AUTH-01")
async def test_the_user_is_the_tokens_identity(case: Case) -> None:
    """The completion names each of two users by the `sub` of their token."""
    for user in two_users(case):
        reply = await case.ask(credential=user.token)
        if why := why_refused(case.lane.settings, reply):
            raise NotTestable(why)
        seen = f"user {shown(user_of(reply))}; {reply.outcome()}"
        case.holds("AUTH-01", user_of(reply) == user.identity, seen, f"user {user.identity!r}", reply)


@requirement("AUTH-02", "AUTH-03")
async def test_a_forged_token_names_nobody(case: Case) -> None:
    """Forged tokens are tried on every route, against a session of the user that they claim to be. What is shown to
    clients without a token as well does not count."""
    owner, other = two_users(case)
    session, said, count = await owned_session(case, owner)
    all_forged = list(forgeries(case.lane.settings, owner, other.identity))
    # all look before the first one writes: a server may treat all refused clients as one user
    shown_to_all = await count_of(case, session, NOBODY) or 0
    counts = await together(*(count_of(case, session, forged.token) for forged in all_forged))
    anybody = await write_to(case, session, NOBODY)
    is_secret = said.case not in anybody.upstream + anybody.chat_upstream
    answers = await together(*(write_to(case, session, forged.token) for forged in all_forged))
    for forged, seen_count, one in zip(all_forged, counts, answers, strict=True):
        judge_forgery(case, forged, one, (owner.identity, other.identity))
        leaked = is_secret and said.case in one.upstream + one.chat_upstream
        seen = f"{forged.name}: the owner's text went to the provider for this token"
        case.holds("AUTH-02", not leaked, seen, "none of the owner's text", one.reply)
        leaked = count > shown_to_all and (seen_count or 0) >= count
        seen = f"{forged.name}: GET showed the owner's session of {seen_count} messages"
        case.holds("AUTH-02", not leaked, seen, "no more than a client without a token is shown", one.reply)
    if not is_first_revision(case):
        await judge_deletions(case, session, owner, all_forged)


async def judge_deletions(case: Case, session: str, owner: User, all_forged: list[Forgery]) -> None:
    """Judge that no forged token deletes its user's session. What a client without a token may do does not count."""
    await look_up(case, session, "DELETE")
    if (count := await count_of(case, session, owner.token) or 0) == 0:
        return
    await together(*(look_up(case, session, "DELETE", forged.token) for forged in all_forged))
    after = await count_of(case, session, owner.token)
    if after is None:
        gone = await look_up(case, session, credential=owner.token)
        if gone.status not in (404, 410):
            case.cannot_judge("AUTH-02", f"its owner's GET after DELETE with forged tokens: {gone.outcome()}")
            return
    seen = f"after DELETE with {len(all_forged)} forged tokens, the owner's session has {after or 0} messages"
    case.holds("AUTH-02", (after or 0) >= count, seen, f"{count}, as before")


@requirement("AUTH-02")
async def test_a_name_is_no_token(case: Case) -> None:
    """Nobody becomes a user by naming them where a token stands."""
    owner, _ = two_users(case)
    session, said, _ = await owned_session(case, owner)
    source = case.lane.budget.addresses.fresh()
    anybody = await upstream_of(case, await case.ask("What was said?", session=session, source=source))
    for what, value in names_for_tokens(owner):
        headers = (("Authorization", value),)
        reply = await case.ask("What was said?", session=session, headers=headers, source=source)
        seen = f"{what}: user {shown(user_of(reply))}"
        case.holds("AUTH-02", user_of(reply) != owner.identity, seen, "not the user", reply)
        leaked = said.case not in anybody and said.case in await upstream_of(case, reply)
        seen = f"{what}: the owner's text went to the provider"
        case.holds("AUTH-02", not leaked, seen, "none of the owner's text", reply)


def judge_forgery(case: Case, forged: Forgery, answers: Written, identities: tuple[str, str]) -> None:
    """Judge whom a forged token's answers name, and whether it was refused."""
    reply = answers.reply
    judge_identity(case, "AUTH-02", forged, answers, identities)
    seen = f"{forged.name}: {reply.outcome()}"
    case.holds("AUTH-03", reply.status in REFUSED, seen, "status 401 or 422", reply)


def judge_identity(case: Case, row: str, forged: Forgery, answers: Written, identities: tuple[str, ...]) -> None:
    """Judge that the answers to a token name none of `identities`."""
    reply = answers.reply
    if reply.status is None or (reply.status == 200 and reply.terminal is None):
        case.cannot_judge(row, f"{forged.name}: {reply.outcome()}")
    else:
        seen = f"{forged.name}: user {shown(user_of(reply))}"
        case.holds(row, user_of(reply) not in identities, seen, "401, 422, or the user `anonymous`", reply)
    body = json_of(answers.chat) if answers.chat else None
    if answers.chat and isinstance(body, dict):
        seen = f"{forged.name}: /api/chat named the user {shown(body.get('user'))}"
        case.holds(row, body.get(USER) not in identities, seen, "not the token's identity", answers.chat)


@requirement("AUTH-04")
async def test_a_users_session_is_theirs_alone(case: Case) -> None:
    """Another user and a client without a token read, write and delete it; for its owner nothing changes."""
    owner, other = two_users(case)
    session, said, count = await owned_session(case, owner)
    for name, credential in (("another user", other.token), ("a client without a token", NOBODY)):
        empty = await count_of(case, case.lane.new_session(), credential) or 0
        looked = await count_of(case, session, credential) or 0
        answers = await write_to(case, session, credential)
        seen, expected = f"GET shows {name} {looked} messages", f"none of the owner's {count}"
        case.holds("AUTH-04", looked <= empty, seen, expected, answers.reply)
        for route, upstream, answer in answers.by_route():
            seen = f"the owner's text went to the provider for {name}, over {route}"
            case.holds("AUTH-04", said.case not in upstream, seen, "none of the owner's text", answer)
        await case.request(HttpRequest("DELETE", SESSIONS_PATH + session, headers=bearer(credential)))
        after = await count_of(case, session, owner.token)
        seen = f"after {name} had written to the session and deleted it, `messages` is {after}"
        case.holds("AUTH-04", after == count, seen, f"{count}, as before", answers.reply)
        await judge_memory(case, session, owner, said, answers)
        count = await settled(partial(count_of, case, session, owner.token)) or count


async def judge_memory(case: Case, session: str, owner: User, said: Transcript, stranger: Written) -> None:
    """Judge what the owner's next message takes to the provider: the owner's text, and nothing of the others."""
    reply = await case.ask("Go on.", session=session, credential=owner.token)
    if case.lane.provider is None:
        return
    if not (upstream := await upstream_of(case, reply)):
        case.cannot_judge("AUTH-04", f"the owner's next message did not reach the provider: {reply.outcome()}")
        return
    case.holds(
        "AUTH-04",
        said.case in upstream,
        "the owner's text is missing in the provider's request",
        "the owner's earlier text",
        reply,
    )
    seen, expected = "the owner's session holds somebody else's text", "only the owner's text"
    written = [answer.case for answer in (stranger.reply, stranger.chat) if answer]
    case.holds("AUTH-04", not any(one in upstream for one in written), seen, expected, reply)


@requirement("AUTH-04")
async def test_saying_a_users_name_is_not_enough(case: Case) -> None:
    """A client without a token names the owner in headers, a cookie, the query and the body, as behind a gateway."""
    owner, _ = two_users(case)
    session, said, count = await owned_session(case, owner)
    name, source = owner.identity, case.lane.budget.addresses.fresh()
    headers = (*((one, name) for one in NAMING_HEADERS), ("Cookie", f"user={name}; user_id={name}; username={name}"))
    query = f"?user={quote(name)}&user_id={quote(name)}"
    what = f"a client without a token, whose headers {', '.join(NAMING_HEADERS)}, cookie, query and body name the owner"
    # first: whoever asks under that id may have a session of their own afterwards
    answer = await case.request(HttpRequest("GET", f"{SESSIONS_PATH}{session}{query}", headers=headers), source)
    body = json_of(answer)
    found = body.get(MESSAGES) if answer.status == 200 and isinstance(body, dict) else None
    kept = not is_integer(found) or found < count
    case.holds("AUTH-04", kept, f"{what}: GET shows {shown(found)} messages", f"none of the owner's {count}", answer)
    for route in [STREAM_PATH, CHAT_PATH] if case.lane.shows(Profile.CHAT) else [STREAM_PATH]:
        asked = case.lane.new_case()
        ask = {**body_of(case.lane.message("What?", "hello", asked), session), **dict.fromkeys(NAMING_FIELDS, name)}
        reply = await case.request(HttpRequest.json("POST", route + query, ask, headers), source)
        reply.case = asked
        kept, seen = user_of(reply) != owner.identity, f"{what}: user {shown(user_of(reply))}"
        case.holds("AUTH-04", kept, seen, "not the owner", reply)
        leaked = said.case in await upstream_of(case, reply)
        seen = f"{what}: the owner's text went to the provider, over {route}"
        case.holds("AUTH-04", not leaked, seen, "none of it", reply)


@requirement("AUTH-08")
async def test_nobody_lists_the_sessions_of_others(case: Case) -> None:
    """Routes that could list sessions are asked without a token and as another user. What they answer must hold neither
    the id of a session of somebody else, nor what was said there."""
    owner, other = two_users(case)
    session, said, _ = await owned_session(case, owner)
    theirs = {session: "a signed-in user's session", said.case: "what a signed-in user said"}
    if case.lane.budget.addresses.available:  # else a server may take the next client for the same person
        guests = case.lane.new_session()
        answer = await case.ask("I have no token.", session=guests, source=case.lane.budget.addresses.fresh())
        theirs |= {guests: "the session of a client without a token", answer.case: "what a client without a token said"}
    for name, credential in (("a client without a token", NOBODY), ("another user", other.token)):
        paths = [path.replace("USER", quote(owner.identity)) for path in LISTS]
        paths.append(SESSIONS_PATH + session[:-1])  # whoever suggests ids that look alike tells those of others
        answers: list[Transcript] = []
        for first in range(0, len(paths), LOOKS_AT_ONCE):
            few = paths[first : first + LOOKS_AT_ONCE]
            answers += await together(*(look_at(case, path, credential) for path in few))
        shown_texts = [(answer, text) for answer in answers for text in theirs if text.encode() in answer.body]
        for answer, text in shown_texts:
            seen = f"{answer.request} shows {name} {theirs[text]}: {shown(answer.body, 300)}"
            case.holds("AUTH-08", False, seen, "nothing of other people's sessions", answer)
    if not case.records:
        case.holds("AUTH-08", True, "", "nothing of other people's sessions")


async def look_at(case: Case, path: str, credential: str | None) -> Transcript:
    """GET a route that may not be there, or may never end."""
    request = HttpRequest("GET", path, headers=bearer(credential))
    return await case.request_once(request, case.lane.budget.addresses.fresh(), Deadlines(silence=2, whole=4))


@requirement("AUTH-09")
async def test_the_scheme_may_be_in_small_letters(case: Case) -> None:
    """`Authorization: bearer …` names the user to the stream, to `/api/chat` and to their session."""
    owner, _ = two_users(case)
    session, _, _ = await owned_session(case, owner)
    headers = (("Authorization", f"bearer {owner.token}"),)
    reply = await case.ask("It is me.", headers=headers)
    seen, expected = f"`bearer` in small letters: user {shown(user_of(reply))}; {reply.outcome()}", "as with `Bearer`: "
    case.holds("AUTH-09", user_of(reply) == owner.identity, seen, f"{expected}user {owner.identity!r}", reply)
    answers = [await case.request(HttpRequest("GET", SESSIONS_PATH + session, headers=headers))]
    if case.lane.shows(Profile.CHAT):
        answers.append(await case.ask_plain("Still me.", session=session, headers=headers))
    for answer in answers:
        seen = f"`bearer` in small letters: {' '.join(answer.request.split()[:2])}: {answer.outcome()}"
        case.holds("AUTH-09", answer.status == 200, seen, f"{expected}status 200", answer)


@requirement("AUTH-10")
async def test_a_token_of_tomorrow_names_nobody(case: Case) -> None:
    """It is well signed, and its `nbf` lies an hour ahead."""
    owner, _ = two_users(case)
    forged = early(case.lane.settings, owner)
    session, said, count = await owned_session(case, owner)
    shown_to_all = await count_of(case, session, NOBODY) or 0
    seen_count = await count_of(case, session, forged.token) or 0
    anybody = await write_to(case, session, NOBODY)
    answers = await write_to(case, session, forged.token)
    judge_identity(case, "AUTH-10", forged, answers, (owner.identity,))
    is_secret = said.case not in anybody.upstream + anybody.chat_upstream
    leaked = is_secret and said.case in answers.upstream + answers.chat_upstream
    seen = f"{forged.name}: the owner's text went to the provider for this token"
    case.holds("AUTH-10", not leaked, seen, "none of the owner's text", answers.reply)
    leaked = count > shown_to_all and seen_count >= count
    seen = f"{forged.name}: GET showed the owner's session of {seen_count} messages"
    case.holds("AUTH-10", not leaked, seen, "no more than a client without a token is shown", answers.reply)
