"""Two signed-in users, and a session that belongs to one of them."""

from __future__ import annotations

from functools import partial

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.jwt import User, users, why_refused
from chatproof.conformance.suite.settled import settled
from chatproof.harness.client.http import HttpRequest, json_of
from chatproof.harness.protocol.apis.chat_stream.chat_stream import MESSAGES, SESSIONS_PATH
from chatproof.harness.protocol.apis.turns import bearer
from chatproof.harness.protocol.messages import is_integer
from chatproof.harness.protocol.transcript import Transcript


def two_users(case: Case) -> tuple[User, User]:
    """Two users that no other test uses."""
    name = case.lane.new_session().removeprefix("session-")
    return users(case.lane.settings, (f"anna-{name}", f"bert-{name}"))


async def count_of(case: Case, session: str, credential: str | None) -> int | None:
    """A session's `messages` as the owner of a credential sees it, or None where it is not shown."""
    answer = await case.request(
        HttpRequest("GET", SESSIONS_PATH + session, headers=bearer(credential)), case.lane.budget.addresses.fresh()
    )
    if answer.is_unanswered:
        raise NotTestable(f"GET of a session: {answer.outcome()}")
    body = json_of(answer)
    count = body.get(MESSAGES) if answer.status == 200 and isinstance(body, dict) else None
    return int(count) if is_integer(count) else None


async def owned_session(case: Case, owner: User) -> tuple[str, Transcript, int]:
    """A session with one exchange of its owner: its id, that exchange, and its `messages`."""
    session = case.lane.new_session()
    reply = await case.ask("This is my own secret.", session=session, credential=owner.token)
    if not case.lane.succeeded(reply):
        why = why_refused(case.lane.settings, reply)
        raise NotTestable(why or f"a user with a valid token could not ask: {reply.outcome()}")
    if (count := await settled(partial(count_of, case, session, owner.token))) is None:
        raise NotTestable("its owner is not shown a session's `messages`")
    return session, reply, count
