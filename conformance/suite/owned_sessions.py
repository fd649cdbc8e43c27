"""Two signed-in users, a session that belongs to one of them, and what others write to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.jwt import User, users, why_refused
from chatproof.conformance.suite.provider import upstream_text
from chatproof.conformance.suite.settled import settled
from chatproof.harness.client.http import Deadlines, HttpRequest, json_of
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, MESSAGES, SESSIONS_PATH
from chatproof.harness.protocol.apis.turns import bearer
from chatproof.harness.protocol.messages import is_integer
from chatproof.harness.protocol.requirements import Profile
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


@dataclass(frozen=True, slots=True)
class Written:
    """The answers to somebody who wrote to another user's session, and what went to the provider for them."""

    reply: Transcript
    upstream: str
    chat: Transcript | None
    chat_upstream: str

    def by_route(self) -> Iterator[tuple[str, str, Transcript]]:
        """Each route with what went to the provider, and its answer."""
        yield "the stream", self.upstream, self.reply
        if self.chat:
            yield CHAT_PATH, self.chat_upstream, self.chat


async def upstream_of(case: Case, answer: Transcript) -> str:
    """All text that went to the provider for an answer that has come."""
    if case.lane.provider is None:
        return ""
    return "\n".join(upstream_text(entry) for entry in await case.provider.entries(answer))


async def write_to(case: Case, session: str, credential: str | None) -> Written:
    """Write to a session, over the stream and over /api/chat."""
    source = case.lane.budget.addresses.fresh()
    reply = await case.ask("What was said so far?", session=session, credential=credential, source=source)
    chat = None
    if case.lane.shows(Profile.CHAT):
        chat = await case.ask_plain(
            "What was said so far?",
            session=session,
            credential=credential,
            source=source,
            deadlines=Deadlines(silence=30),
        )
    chat_upstream = await upstream_of(case, chat) if chat else ""
    return Written(reply, await upstream_of(case, reply), chat, chat_upstream)
