"""INT: interruption. The fakes' journal tells when the server hung up on its provider."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.suite.case import Case, together
from conformance.suite.marks import When, over_both, requirement
from conformance.suite.provider import talk
from conformance.suite.reasons import NotApplicable, NotTestable
from conformance.suite.streams import SseStream, Stream
from fake_providers.journal import Entry
from harness.http import Deadlines
from harness.protocol.checks.sio import CHAT_KINDS
from harness.protocol.checks.tok import same_words
from harness.protocol.findings import shown
from harness.protocol.transcript import Transport

CANCELLED_WITHIN = 2.0
CANCELLED_IN_SILENCE_WITHIN = 5.0
LONGEST_UNASKED = 50.0  # seconds that INT-09 may wait without --slow
MANY = 50
MOMENTS = (1, 2, 3, 5, 8)  # tokens that the provider has said when the client leaves


@dataclass(frozen=True, slots=True)
class HangUp:
    """A way to leave, and its name in reports."""

    name: str
    leave: Callable[[Stream], Awaitable[None]]


BY_FIN = HangUp("a client that left in order", lambda stream: stream.leave())
BY_RST = HangUp("a client that vanished", lambda stream: stream.vanish())
BOTH = (BY_FIN, BY_RST)


@dataclass(frozen=True, slots=True)
class Interruption:
    """A reply that was left. `took`: seconds until the provider saw the server hang up, or None if it did not."""

    what: str
    took: float | None
    stream: Stream

    def is_late(self, within: float) -> bool:
        """The provider went on for too long."""
        return self.took is None or self.took > within


async def reply_under_way(case: Case, tokens: int, script: str, **how: Any) -> Stream:
    """A reply of which the provider has said so much; at 0 one that it was asked for."""
    while True:
        stream = await case.start("Tell me a lot.", script=script, **how)
        if tokens:
            there = await case.provider.has_said(stream.transcript, tokens)
        else:
            there = await case.provider.asked(stream.transcript) is not None
        if there:
            return stream
        if not await case.refused_for_now(stream.transcript):
            raise NotTestable(f"the provider never came to token {tokens}: {stream.transcript.outcome()}")


async def interrupt(
    case: Case, hang_up: HangUp, tokens: int, within: float, script: str = "minute", **how: Any
) -> Interruption:
    """Leave a reply, and see when the provider notices."""
    how.setdefault("source", case.run.pacer.addresses.fresh())
    stream = await reply_under_way(case, tokens, script, **how)
    left = time.monotonic()
    await hang_up.leave(stream)
    entries = await case.provider.ended(stream.transcript, within + 1)
    what = f"{hang_up.name} after {tokens} tokens of {script}"
    return Interruption(what, seconds_until_over(case, entries, left), stream)


def seconds_until_over(case: Case, entries: Sequence[Entry], left: float) -> float | None:
    """From `left` until the reply was no longer asked for. What a server asks beside it, such as a title for the
    session, is not the reply: it is not streamed."""
    ends = [entry.ended_at for entry in entries if entry.stream] or [entry.ended_at for entry in entries]
    if not ends or any(end is None for end in ends):
        return None
    return max(0.0, max(case.provider.local(end) for end in ends if end is not None) - left)


def judge_cancelled(case: Case, requirement_id: str, all_left: Sequence[Interruption], within: float) -> None:
    """Each was noticed in time. Where all were, the slowest is reported."""
    slowest = max(all_left, key=lambda one: float("inf") if one.took is None else one.took)
    for one in all_left:
        if one.is_late(within) or one is slowest:
            seen = "went on" if one.took is None else f"was closed {one.took * 1000:.0f} ms after the client left"
            seen = f"{one.what} (the slowest of {len(all_left)}): the provider's connection {seen}"
            kept, expected = not one.is_late(within), f"closed within {within:g} s"
            case.holds(requirement_id, kept, seen, expected, one.stream.transcript, measured=True)


@requirement("INT-01")
async def test_leaving_cancels_the_provider(case: Case) -> None:
    """By FIN and by RST, at different moments, side by side."""
    plan = [(how, tokens) for how in BOTH for tokens in MOMENTS * 2]
    left = await together(*(interrupt(case, how, at, CANCELLED_WITHIN) for how, at in plan))
    judge_cancelled(case, "INT-01", left, CANCELLED_WITHIN)


@requirement("INT-02")
async def test_leaving_cancels_a_silent_provider(case: Case) -> None:
    """Before the first token, and after the provider fell silent."""
    plan = [(how, script, at) for how in BOTH for script, at in (("silent", 0), ("stall", 3))]
    within = CANCELLED_IN_SILENCE_WITHIN
    left = await together(*(interrupt(case, how, at, within, script) for how, script, at in plan))
    judge_cancelled(case, "INT-02", left, within)


@requirement("INT-03")
async def test_a_socket_that_goes_cancels_the_provider(case: Case) -> None:
    """With a goodbye and without, in the socket's first reply and in a later one."""
    plan = [(how, at, is_first) for how in BOTH for at in MOMENTS for is_first in (True, False)]
    left = await together(*(leave_socket(case, how, at, is_first) for how, at, is_first in plan))
    judge_cancelled(case, "INT-03", left, CANCELLED_WITHIN)


async def leave_socket(case: Case, how: HangUp, at: int, is_first: bool) -> Interruption:
    """Leave in the first reply of a socket, or in one behind a whole reply and a refusal."""
    client = await case.connect(Transport.WEBSOCKET, case.run.pacer.addresses.fresh())
    if not is_first:
        await (await case.start(socket=client)).finish()
        refusal = await client.emit("chat_stream", {"message": ""})
        await client.until(lambda: bool(refusal.of(*CHAT_KINDS)), CANCELLED_WITHIN)
    return await interrupt(case, how, at, CANCELLED_WITHIN, socket=client)


@requirement("INT-09")
async def test_a_polling_client_that_says_goodbye_cancels_the_provider(case: Case) -> None:
    """As fast as any other."""
    left = await interrupt(case, BY_FIN, 3, CANCELLED_WITHIN, over=Transport.POLLING)
    judge_cancelled(case, "INT-09", [left], CANCELLED_WITHIN)


@requirement("INT-09", when=When.AFTER_SOCKETS)
async def test_a_polling_client_that_vanishes_cancels_the_provider(case: Case) -> None:
    """Once its pings have failed."""
    client = await case.connect(Transport.POLLING)
    assert client.opened is not None
    patience = client.opened.ping_interval + client.opened.ping_timeout
    if patience > LONGEST_UNASKED and not case.run.settings.slow:
        raise NotApplicable(f"takes {patience:.0f} s, the server's ping interval and timeout (--slow)")
    within = patience + max(2.0, patience * 0.2)
    script = await case.provider.register("beyond-patience", talk(within + 15))
    left = await interrupt(case, BY_RST, 3, within, script, socket=client)
    judge_cancelled(case, "INT-09", [left], within)


@requirement("INT-04")
async def test_many_interruptions_do_no_harm(case: Case) -> None:
    """Fifty, and the server serves as before."""
    await together(*(interrupt(case, BOTH[n % 2], 1, CANCELLED_WITHIN) for n in range(MANY)))
    replies = await together(*(case.ask(source=case.run.pacer.addresses.fresh()) for _ in range(5)))
    for reply in replies:
        kept = case.run.succeeded(reply) and same_words(reply.text, case.provider.text("hello"))
        case.holds("INT-04", kept, f"after {MANY} interruptions: {reply.outcome()}", "the whole reply", reply)


@over_both
@requirement("INT-05")
async def test_other_streams_are_untouched(case: Case, transport: Transport) -> None:
    """Ten clients leave while one listens."""
    listening = asyncio.create_task(case.ask(script="paced", over=transport))
    await together(*(interrupt(case, BOTH[n % 2], 1, CANCELLED_WITHIN, over=transport) for n in range(10)))
    reply = await listening
    kept = case.run.succeeded(reply) and same_words(reply.text, case.provider.text("paced"))
    case.holds("INT-05", kept, f"{reply.outcome()}, {shown(reply.text)}", "the whole reply", reply)


@over_both
@requirement("INT-06")
async def test_a_client_that_comes_back_starts_anew(case: Case, transport: Transport) -> None:
    """Nothing of the reply that it left."""
    session = case.run.new_session()
    left = await interrupt(case, BY_FIN, 3, CANCELLED_WITHIN, over=transport, session=session, source=case.source)
    socket = None if transport is Transport.SSE else await case.connect(transport)
    if socket:
        await socket.until(lambda: bool(socket.strays.of(*CHAT_KINDS)), 1.0)
        late = socket.strays.of(*CHAT_KINDS)
        seen = f"{late[0].name} {dict(late[0].body)}" if late else "nothing"
        case.holds("INT-06", not late, f"came uncalled: {seen}", "nothing of the old reply", left.stream.transcript)
    reply = await case.ask("I am back.", session=session, over=transport, socket=socket, script="paced")
    wanted = case.provider.text("paced")
    kept = same_words(reply.text, wanted)
    case.holds("INT-06", kept, f"{shown(reply.text)}; {reply.outcome()}", shown(wanted), reply)


@over_both
@requirement("INT-07")
async def test_the_session_stays_usable(case: Case, transport: Transport) -> None:
    """The next exchange succeeds, on a well-formed history."""
    session = case.run.new_session()
    await case.ask("The first question.", session=session, over=transport)
    left = await interrupt(case, BY_FIN, 3, CANCELLED_WITHIN, over=transport, session=session, source=case.source)
    reply = await case.ask("Where were we?", session=session, over=transport)
    case.holds("INT-07", case.run.succeeded(reply), f"the next exchange: {reply.outcome()}", "a whole reply", reply)
    entry = await case.provider.asked(reply)
    history = messages_of(entry)
    again = [text for role, text in history if role == "user" and left.stream.transcript.case in text]
    seen = f"the interrupted message stands {len(again)} times in {shown(history, 400)}"
    case.holds("INT-07", len(again) <= 1, seen, "at most once", reply)
    orphans = [
        text
        for index, (role, text) in enumerate(history)
        if role == "assistant" and (index == 0 or history[index - 1][0] != "user")
    ]
    seen = f"{shown(orphans)} in {shown(history, 400)}"
    case.holds("INT-07", not orphans, seen, "every assistant message directly after a user message", reply)


def messages_of(entry: Entry | None) -> list[tuple[str, str]]:
    """Roles and texts of a provider request."""
    body = entry.body if entry and isinstance(entry.body, dict) else {}
    messages = body.get("messages")
    if not isinstance(messages, list):
        return []
    return [(str(one.get("role")), str(one.get("content"))) for one in messages if isinstance(one, dict)]


@requirement("INT-08")
async def test_a_client_that_stops_reading_holds_up_nobody(case: Case) -> None:
    """A reply larger than the buffers on the way, and a client that takes none of it."""
    deadlines = Deadlines(whole=120)
    for _ in range(3):
        stream = await case.start("Tell me a lot.", script="long", receive_buffer=4096, deadlines=deadlines)
        assert isinstance(stream, SseStream)
        await stream.until(lambda transcript: bool(transcript.tokens), case.run.pacer.deadlines.silence)
        await stream.exchange.stop_reading()
    for _ in range(3):
        began = time.monotonic()
        reply = await case.ask(source=case.run.pacer.addresses.fresh())
        seen = f"{reply.outcome()} after {time.monotonic() - began:.1f} s"
        case.holds("INT-08", case.run.succeeded(reply), seen, "a whole reply while others do not read", reply)
