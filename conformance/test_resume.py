"""RES: replies that go on when their client leaves, and are resumed. The fakes' journal tells what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable, without
from chatproof.conformance.suite.interruption import BOTH, BY_FIN, BY_RST, SAID, HangUp, Moment
from chatproof.conformance.suite.jwt import User, users
from chatproof.conformance.suite.kept_reply import RELOAD, KeptReply, says_that_nothing_runs
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.timed_checks import steadily
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines
from chatproof.harness.protocol.apis.ai_sdk_checks import parts_lie_in_their_blocks, version_is_told
from chatproof.harness.protocol.checks.pass_through import passed_on
from chatproof.harness.protocol.checks.sse import content_type
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.findings import Check
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript

LEFT_AFTER = (1, 4, 12)  # tokens
AWAY = 5  # tokens that a client misses
BUFFERED, PACE = 400, 4  # the same, of a reply that is too long for a small buffer; milliseconds between two
ABSENT = 2.0  # seconds that a client is away at most
SLOW, SLOW_PACE = 8, 300  # tokens; milliseconds between two, so that holding back shows
FAILS = '[[steps]]\nfault = "error"\n'
STRANGE = Deadlines(silence=1.0, whole=2.0)  # of an answer about nothing: a server may wait for what never comes


# -- resuming


@requirement("RES-01", "RES-02", "SSE-01", "AIS-01", "AIS-02")
async def test_a_client_that_comes_back_gets_the_rest_once(case: Case) -> None:
    """Clients leave at several moments, resume at once or later, some of them twice, some in a second exchange."""
    few = await case.provider.register("kept-talk", talk_of("word", 60, 50))
    many = await case.provider.register("kept-long-talk", talk_of("word", BUFFERED * 3 // 2, PACE))
    plan = [
        partial(come_back, case, how, Moment(few, left), away, number % 2 == 1, number % 3 == 2)
        for number, (how, left, away) in enumerate(product(BOTH, LEFT_AFTER, (0, AWAY)))
    ]
    if case.lane.settings.abandoned_after > ABSENT:
        plan.append(partial(come_back, case, BY_FIN, Moment(many, 1), BUFFERED, False))
    replies = (await case.lane.crowds.run(case.provider, plan, len(plan))).came
    for reply in replies:
        seen = f"{who(reply)}: {reply.fault}{await reply.told()}" if reply.fault else ""
        await judge_resumed(case, "RES-01", reply, seen)
        case.conforms(reply.transcript, parts_lie_in_their_blocks)
        if reply.transcript.status == 200 and reply.transcript.text:
            case.conforms(reply.transcript, content_type, version_is_told)
    for row in {"SSE-01", "AIS-01"} - {record.id for record in case.records}:
        case.cannot_judge(row, "no resumed reply brought text")
    await judge_asked_once(case, replies)


async def judge_resumed(case: Case, requirement_id: str, reply: KeptReply, seen: str) -> None:
    """Judge a reply that was resumed while it ran. On a busy machine it may have been over by then."""
    last = reply.transcript
    if seen and says_that_nothing_runs(last) and await reply.was_whole(last.asked_at):
        case.cannot_judge(requirement_id, "the reply was over before it was resumed")
    else:
        case.holds(requirement_id, not seen, seen, "the rest of the text, or all of it, once", last)


def who(reply: KeptReply) -> str:
    """What a client did, in words."""
    had = reply.streams[0].transcript
    again = ", and resumed twice" if len(reply.streams) > 2 else ""
    where = ", in a second exchange," if reply.earlier else ""
    return f"a client that left{where} with {counted(len(had.text), 'character')} of {len(reply.text)}{again}"


async def come_back(
    case: Case, how: HangUp, moment: Moment, away: int, twice: bool = False, later: bool = False
) -> KeptReply:
    """Leave a reply, resume it when the provider has said `away` more tokens, and read it to its end. `later`: it is
    the second one of its conversation. Who vanishes has read nothing of what was said meanwhile, but was sent it."""
    where, earlier = await place_of(case, later)
    reply = await KeptReply.under_way(case, moment, **where)
    reply.earlier = earlier
    if is_asleep := bool(away) and how is BY_RST:
        await reply.stop_reading()
        await case.provider.has_said(reply.transcript, moment.tokens + away)
    await reply.leave(how)
    if away and not is_asleep:
        await case.provider.has_said(reply.transcript, moment.tokens + away)
    answer = await reply.resume_soon()
    if twice and answer.status == 200:
        await reply.streams[-1].until(lambda stream: bool(stream.tokens), case.lane.budget.deadlines.silence)
        await reply.leave(how)
        await reply.resume_soon()
    await reply.finish()
    return reply


async def place_of(case: Case, later: bool) -> tuple[dict[str, Any], str]:
    """How to ask in a new conversation, and the text of its first exchange, if it is `later` than that."""
    where: dict[str, Any] = {"session": case.lane.new_session(), "source": case.lane.budget.addresses.fresh()}
    if not later:
        return where, ""
    first = await case.ask("Hello there.", **where)
    if not case.lane.succeeded(first):
        raise without(first, f"an ordinary ask failed: {first.outcome()}")
    return where, first.text


async def judge_asked_once(case: Case, replies: Sequence[KeptReply]) -> None:
    """Judge that the provider was asked as often as for a reply that nobody left."""
    asked = [(len(await reply.requests()), reply) for reply in replies]
    most, reply = max(asked, key=lambda one: one[0])
    usual = 1
    if most > 1:
        plain = await case.ask(SAID, script=reply.script)
        usual = sum(entry.stream for entry in await case.provider.entries(plain))
    seen = f"{who(reply)}: the provider was asked {counted(most, 'time')} for one reply"
    case.holds("RES-02", most <= usual, seen, f"asked {counted(usual, 'time')}", reply.transcript)


@requirement("RES-11", when=When.QUIET)
async def test_a_resumed_reply_is_passed_on_as_it_comes(case: Case) -> None:
    """The provider pauses between tokens."""
    script = await case.provider.register("kept-slowly", talk_of("word", SLOW, SLOW_PACE))

    async def attempt() -> tuple[Transcript, tuple[Check, ...]]:
        reply = await come_back(case, BY_FIN, Moment(script, 2), 0)
        last = reply.transcript
        if not last.text:
            raise NotTestable(f"a reply that was resumed brought no text (RES-01): {last.outcome()}")
        said = [one for entry in await reply.requests() for one in case.provider.said(entry)]
        return last, (passed_on(said, "RES-11", resumed_at=last.asked_at),)

    await steadily(case, attempt)


@requirement("RES-03")
async def test_a_failed_reply_is_not_told_as_finished(case: Case) -> None:
    """The provider fails while the client is away."""
    script = await case.provider.register("kept-failure", talk_of("word", 8, 100) + FAILS)
    reply = await KeptReply.under_way(case, Moment(script, 2))
    await reply.leave(BY_FIN)
    await reply.ended(case.lane.budget.deadlines.silence)
    await asyncio.sleep(RELOAD)
    await reply.resume()
    last = await reply.finish()
    told = f"the provider failed while the client was away; the reply was resumed, and told as whole: {last.outcome()}"
    kept = not last.is_success or says_that_nothing_runs(last)
    case.holds("RES-03", kept, told, "an error, or that nothing runs", last)


@requirement("RES-03", "RES-02")
async def test_a_finished_reply_is_given_or_said_to_be_over(case: Case) -> None:
    """Clients leave in mid-reply, and resume after its end."""
    replies = await together(*(leave_until_its_end(case, how) for how in BOTH))
    for reply in replies:
        last = reply.transcript
        kept = says_that_nothing_runs(last) or not reply.fault
        answer = f"status {last.status} with {counted(len(last.body), 'byte')}, {reply.fault or last.outcome()}"
        seen = f"{who(reply)}, and resumed after its end: {answer}"
        case.holds(
            "RES-03", kept, seen, "the rest or all of the text; 204, a 4xx, a JSON object, or nothing but an end", last
        )
    await judge_asked_once(case, replies)


async def leave_until_its_end(case: Case, how: HangUp) -> KeptReply:
    """Leave a reply, and resume it when the provider has ended it; once more where that is not answered well."""
    reply = await KeptReply.under_way(case, Moment("paced", 3))
    await reply.leave(how)
    await reply.ended(case.lane.budget.deadlines.silence)
    for pause in (RELOAD, 2 * RELOAD):  # a server may take a moment to note that a reply is over
        await asyncio.sleep(pause)
        del reply.streams[1:]
        await reply.resume()
        await reply.finish()
        if says_that_nothing_runs(reply.transcript) or not reply.fault:
            break
    return reply


@requirement("RES-10")
async def test_a_reply_can_be_resumed_before_its_first_token(case: Case) -> None:
    """Clients leave while the provider thinks, one of them in a second exchange."""
    for reply in await together(*(come_back_at_once(case, how, how is not BY_FIN) for how in BOTH)):
        where = " in a second exchange" if reply.earlier else ""
        told = f"a client that left{where} before the first token, and resumed before it: {reply.fault}"
        told += await reply.told()
        await judge_resumed(case, "RES-10", reply, told if reply.fault else "")


async def come_back_at_once(case: Case, how: HangUp, later: bool) -> KeptReply:
    """Leave and resume a reply whose provider thinks for two seconds. `later`: see `come_back`."""
    where, earlier = await place_of(case, later)
    reply = await KeptReply.under_way(case, Moment("slow-start", 0), **where)
    reply.earlier = earlier
    await reply.leave(how)
    await reply.resume_soon()
    await reply.finish()
    return reply


# -- one's own


@requirement("RES-07")
async def test_replies_are_resumed_and_stopped_by_their_own_clients_only(case: Case) -> None:
    """Conversations side by side, strangers among them, and users where there are two."""
    names = ("amber", "birch", "coral", "dusky")
    scripts = [await case.provider.register(f"kept-{name}", talk_of(name, 40, 50)) for name in names]
    running = await together(*(KeptReply.under_way(case, Moment(script, 2)) for script in scripts))
    await together(*(left_alone(case, reply, 2) for reply in running))
    stranger = KeptReply.of_nobody(case)
    strange = await stranger.resume(STRANGE)
    await stranger.finish()
    if case.lane.api.stop:
        await stranger.stop()
    await together(*(reply.resume_soon() for reply in reversed(running)))
    await together(*(reply.finish() for reply in running))
    no_text = "nothing of other conversations"
    seen = f"a conversation that nobody began was resumed, and got {shown(strange.text, 80)}"
    case.holds("RES-07", not strange.text, seen, no_text, strange if strange.text else None)
    for name, reply in zip(names, running, strict=True):
        text = reply.transcript.text
        others = [one for one in names if one != name and one in text]
        case.holds(
            "RES-07", not others, f"{name}'s reply was resumed, and holds {shown(text, 80)}", no_text, reply.transcript
        )
        await judge_goes_on(case, reply, "a stranger's stop and the resuming of others")


async def left_alone(case: Case, reply: KeptReply, tokens: int) -> None:
    """Leave a reply after some tokens. Raises NotTestable where it does not go on."""
    await reply.leave(BY_FIN)
    if not await case.provider.has_said(reply.transcript, tokens + 2):
        raise NotTestable(f"a reply does not go on when its client leaves (RES-01){await reply.told()}")


def talk_of(name: str, tokens: int, pace: int) -> str:
    """A script that says a numbered word in each token, `pace` milliseconds apart."""
    said = ", ".join(f'"{name}{number} "' for number in range(tokens))
    about = f"{tokens} tokens, {pace} ms apart."
    return f'about = "{about}"\n[timing]\ninter_token_ms = {pace}\n[[steps]]\ntokens = [{said}]\n'


async def judge_goes_on(case: Case, reply: KeptReply, beside: str) -> None:
    """Judge that somebody else did not end a reply."""
    entries = await reply.requests()
    kept = any(entry.whole for entry in entries)
    seen = f"by {beside}, the provider's request of another conversation was closed after {shown(entries[-1].text, 60)}"
    case.holds("RES-07", kept, seen, "other replies go on", reply.transcript)


@requirement("RES-07")
async def test_a_reply_belongs_to_its_user(case: Case) -> None:
    """Another user, who knows the conversation's id."""
    owner, other = two_users(case)
    reply = await KeptReply.under_way(case, Moment("paced", 3), credential=owner.token)
    await left_alone(case, reply, 3)
    theirs = await reply.resume(credential=other.token)
    await reply.finish()
    seen = f"another user resumed the reply, and got {shown(theirs.text, 80)}"
    case.holds("RES-07", not theirs.text, seen, "nothing of another user's reply", theirs if theirs.text else None)
    reply = await KeptReply.under_way(case, Moment("paced", 3), credential=owner.token)
    if case.lane.api.stop:
        await reply.stop(credential=other.token)
        await reply.ended(case.lane.budget.deadlines.silence)
        await judge_goes_on(case, reply, "another user's stop")


def two_users(case: Case) -> tuple[User, User]:
    """Two users whom the server knows. Raises NotApplicable where nobody said that it knows any."""
    settings = case.lane.settings
    if len(settings.jwt_tokens) < 2 and not case.lane.shows(Profile.AUTH):
        raise NotApplicable("no tokens of two users are known (--jwt-token, or the profile auth)")
    return users(settings, (f"user-{case.lane.new_case()}", f"user-{case.lane.new_case()}"))
