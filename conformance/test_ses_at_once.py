"""SES: what happens to a session while a reply runs in it."""

from __future__ import annotations

from functools import partial
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable
from chatproof.conformance.suite.lane import STREAM
from chatproof.conformance.suite.marks import over_both, requirement
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.conformance.suite.session_requests import (
    count_of,
    exchange,
    is_refusal,
    judge_forgotten,
    look_up,
    sent_upstream,
)
from chatproof.conformance.suite.session_talk import SessionTalk
from chatproof.conformance.suite.settled import settled
from chatproof.conformance.suite.together import together
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH
from chatproof.harness.protocol.checks.history import Exchange
from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transport


def side(word: str, tokens: int, fault: str = "") -> str:
    """A script of ten tokens a second, in words of its own."""
    said = ", ".join(f'"{word}{number} "' for number in range(tokens))
    timing = "[timing]\ninter_token_ms = 100\n"
    return f'about = "{tokens} times {word}."\n{timing}[[steps]]\ntokens = [{said}]\n{fault}'


# Pairs of replies that run at once, over SSE and a socket. Each side is the last one to end once; so is each failure,
# since what is written at its end can undo what the other side has stored.
SHORT, LONG = 3, 8
SIDES = {f"side-{word}": side(word, SHORT if word in "acef" else LONG) for word in "abcdef"}
SIDES["side-cut"] = side("cut", LONG, '[[steps]]\nfault = "close"\n')
PAIRS = (("side-a", "side-b"), ("side-d", "side-c"), ("side-e", "side-cut"), ("side-cut", "side-f"))


@requirement("SES-12")
async def test_exchanges_at_the_same_time_are_all_kept(case: Case) -> None:
    """After three at once in one session, the next message takes all of them to the provider, or all are counted."""
    session, counts = case.lane.new_session(), []
    for text in ("The first of all.",) if case.lane.provider else ("The first of all.", "The second."):
        await exchange(case, text, session)
        counts.append(await settled(partial(count_of, case, session)) if case.lane.provider is None else 0)
    texts = [f"Fact {number} of {case.lane.new_case()}." for number in range(3)]
    replies = await together(*(case.ask(text, session=session, script="paced") for text in texts))
    refused = [reply for reply in replies if await is_refusal(case, reply)]
    completed = [text for text, reply in zip(texts, replies, strict=True) if case.lane.succeeded(reply)]
    if len(refused) == len(texts):
        raise NotTestable(f"none of {len(texts)} asks at the same time was accepted: {refused[0].outcome()}")
    failed = [reply.outcome() for reply in replies if not case.lane.succeeded(reply) and reply not in refused]
    seen = f"of {len(texts)} asks at the same time these failed: {'; '.join(failed)}"
    case.holds("SES-12", not failed, seen, "whole replies", replies[0])
    if case.lane.provider is None:
        before, after = counts[1] or 0, await settled(partial(count_of, case, session)) or 0
        wanted = before + (before - (counts[0] or 0)) * len(completed)
        seen = f"`messages` was {before}, and {after} after {len(completed)} exchanges at the same time"
        case.holds("SES-12", after >= wanted, seen, f"{wanted}, as if they came one after the other", replies[0])
        return
    upstream = await sent_upstream(case, await exchange(case, "What do you know?", session))
    lost = [text for text in completed if text not in upstream]
    seen = f"the next request to the provider lacks {', '.join(map(shown, lost))}"
    case.holds("SES-12", not lost, seen, f"all of these: {', '.join(map(shown, completed))}", replies[0])
    answers = words(upstream).count(words(case.provider.text("paced")))
    seen = f"the next request to the provider holds {answers} of the {len(completed)} replies"
    case.holds("SES-12", answers >= len(completed), seen, "all of them", replies[0])


@over_both
@requirement("SES-13")
async def test_deletion_outlives_a_running_reply(case: Case, transport: Transport) -> None:
    """What was said before the deletion does not come back when the reply ends."""
    if transport is not Transport.SSE:
        needs_a_later_revision(case)
    await judge_deletion_meanwhile(SessionTalk(case, transport))


@requirement("SES-13")
async def test_deletion_outlives_a_running_answer(case: Case) -> None:
    """The same at /api/chat."""
    needs_a_later_revision(case)
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable("profile chat is not declared, or not shown")
    await judge_deletion_meanwhile(SessionTalk(case, None))


async def judge_deletion_meanwhile(talk: SessionTalk) -> None:
    """Delete a session that began over the stream while a reply runs in it, and judge what the provider gets with the
    next message. A server may keep its routes apart."""
    case, over = talk.case, talk.over
    before = await exchange(case, "Forget the word marzipan.", talk.session)
    path = STREAM if over else CHAT_PATH
    how: dict[str, Any] = {"session": talk.session, "over": over or Transport.SSE, "path": path}
    stream = await case.start("Talk for a while.", script="paced", **how)
    entry = await case.provider.asked(stream.transcript)
    if entry is None or entry.stream:  # an answer in one piece has no tokens to wait for
        await case.provider.has_said(stream.transcript, 3)
    deleted = await look_up(case, talk.session, "DELETE")
    await stream.finish()
    if deleted.status is not None and 400 <= deleted.status < 500:  # it may be refused while a reply runs
        deleted = await look_up(case, talk.session, "DELETE")
    if deleted.status is None or deleted.status >= 400:
        raise NotTestable(f"the session could not be deleted: {deleted.outcome()}")
    where = "" if over is Transport.SSE else f"over {talk.route}: "
    await judge_forgotten(case, "SES-13", await talk.ask("What was the word?"), before, where)


@requirement("SES-19")
async def test_both_transports_use_one_session_at_once(case: Case) -> None:
    """SSE and an open socket take turns, then ask side by side, with a failure on either side; nothing is lost."""
    said: list[Exchange] = []
    stream = SessionTalk(case, Transport.SSE, exchanges=said)
    socket = SessionTalk(case, Transport.WEBSOCKET, session=stream.session, exchanges=said)
    await socket.open()
    first = await socket.say("This is said over a socket.")
    second = await stream.say("And this over SSE.", "three-tokens")
    if not any(first.case in text for _, text in await stream.history(second)):
        raise NotApplicable("SSE and Socket.IO do not share this session, which SES-11 judges")
    for name, toml in SIDES.items():
        await case.provider.register(name, toml)
    for over_sse, over_socket in PAIRS:
        await together(stream.ask("Tell me more.", over_sse), socket.ask("And me.", over_socket))
    for one in (socket, stream):
        reply = await one.ask("What was all that?")
        if not await one.judge("SES-19", "asks over SSE and a socket at once", reply, in_order=False):
            return
