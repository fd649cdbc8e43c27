"""The first requests to a server: does it serve several clients at once, keep them apart, and which profiles does it
show?"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from chatproof.conformance.suite.jwt import users, why_refused
from chatproof.conformance.suite.lane import Lane
from chatproof.harness.client.http import Deadlines, HttpRequest
from chatproof.harness.client.introduction import ALLOW_ORIGIN
from chatproof.harness.client.socketio import NotConnected
from chatproof.harness.protocol.apis.api import Conversation
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH
from chatproof.harness.protocol.apis.chat_stream.completion_checks import user_of
from chatproof.harness.protocol.checks.sio import CHAT_KINDS
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

AT_ONCE = 6  # tests that share a server
LONG, SHORT = "paced", "hello"
NO_ROUTE = (404, 405, 501)
LINGER = 0.3  # seconds to wait for events that reach the wrong client


async def unseen_profiles(lane: Lane) -> dict[str, str]:
    """The undeclared profiles that the server does not show: {profile: what was seen instead}.

    A server that refuses the suite's token is no server without tokens: that is said at once, too.
    """
    unseen = {Profile.CHAT: await _without_chat(lane)}
    if Profile.AUTH in lane.settings.profiles:
        unseen |= await _without_tokens_or_cors(lane)
    return {profile.value: f"profile {profile} is not declared, and {seen}" for profile, seen in unseen.items() if seen}


async def _without_chat(lane: Lane) -> str:
    """What shows that there is no `/api/chat`, or nothing. The ask has no message: it costs no reply."""
    answer = await _answer(lane, HttpRequest.json("POST", CHAT_PATH, {}))
    return f"POST {CHAT_PATH} was answered with {answer.outcome()}" if answer.status in NO_ROUTE else ""


async def _without_tokens_or_cors(lane: Lane) -> dict[Profile, str]:
    user, _ = users(lane.settings, (f"user-{lane.new_case()}", f"user-{lane.new_case()}"))
    reply = await _reply(lane, _ask(lane, SHORT, user.token))
    named, refused = user_of(reply), why_refused(lane.settings, reply)
    if refused:
        lane.say(f"AUTH is not judged: {refused}")
    anonymous = f"with a valid token `user` was {shown(named)}" if reply.completion else reply.outcome()
    origin = lane.settings.allowed_origin
    page = ("Origin", origin)
    asked = (page, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "content-type"))
    granted = await _answer(lane, HttpRequest("OPTIONS", lane.api.path, headers=asked))
    post = HttpRequest.json("POST", lane.api.path, {})
    answers = [granted, await _answer(lane, replace(post, headers=(*post.headers, page)))]
    # also where it is named in a wrong way, such as twice: then there are headers to judge
    knows_origin = any(origin in (answer.header(ALLOW_ORIGIN) or "") for answer in answers)
    answered = granted.outcome() if granted.is_unanswered else shown(granted.header(ALLOW_ORIGIN))
    return {
        Profile.AUTH: "" if named == user.identity else refused or anonymous,
        Profile.CORS: "" if knows_origin else f"a preflight from {origin} was answered with {answered}",
    }


async def serves_side_by_side(lane: Lane) -> bool:
    """Whether the server serves several clients at once and keeps them apart.

    A short reply must overtake long ones, each client must get its own text, and a bystander must hear nothing. False
    where the suite has one source address only, since it then asks as one client.
    """
    if not lane.budget.addresses.available:
        return False
    bystander = asker = None
    try:
        if Profile.SOCKETIO in lane.settings.profiles:
            bystander, asker = (lane.socket(Transport.WEBSOCKET, lane.budget.addresses.fresh()) for _ in range(2))
            await bystander.connect()
            await asker.connect()
            told = await asker.ask(lane.api.emit(_ask(lane, SHORT)))
            await asker.terminal(told, Deadlines(silence=lane.settings.silence))
        long = [asyncio.ensure_future(_reply(lane, _ask(lane, LONG))) for _ in range(AT_ONCE - 1)]
        await asyncio.sleep(LINGER)
        short = await _reply(lane, _ask(lane, SHORT))
        overtook = not any(one.done() for one in long)
        replies = [short, *(await asyncio.gather(*long))]
        await asyncio.sleep(LINGER)
        heard = bystander is not None and bystander.strays.of(*CHAT_KINDS)
        assert lane.provider is not None
        own = [
            lane.succeeded(reply) and same_words(reply.text, lane.provider.text(script))
            for reply, script in zip(replies, (SHORT, *[LONG] * len(long)), strict=True)
        ]
        return overtook and all(own) and not heard
    except NotConnected:
        return False
    finally:
        for client in (bystander, asker):
            if client is not None:
                await client.disconnect()


def _ask(lane: Lane, script: str, credential: str | None = None) -> Conversation:
    return lane.conversation("Please say hello.", script, lane.new_case(), credential=credential)


async def _reply(lane: Lane, conversation: Conversation) -> Transcript:
    return await _answer(lane, HttpRequest.of(lane.api.ask(conversation)))


async def _answer(lane: Lane, request: HttpRequest) -> Transcript:
    return await lane.exchange(request, lane.budget.addresses.fresh(), script=LONG).start().finish()
