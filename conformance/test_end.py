"""END: the completion."""

from __future__ import annotations

from itertools import count

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.document_checks import of_document
from chatproof.conformance.suite.exceptions import NotApplicable
from chatproof.conformance.suite.marks import When, over_all, over_both, requirement
from chatproof.conformance.suite.odd_replies import LARGE, LAYOUT, named, says
from chatproof.conformance.suite.revisions import is_first_revision, needs_a_later_revision
from chatproof.conformance.suite.timed_checks import Attempt, steadily
from chatproof.conformance.suite.token_counts import with_counts
from chatproof.harness.protocol.apis import ag_ui_checks, ai_sdk_checks, openai_chat_checks
from chatproof.harness.protocol.apis.chat_stream.completion_checks import (
    AGREES_WITH_TOKENS,
    COMPLETION_CHECKS,
    completion_is_typed,
    duration_is_true,
    full_response_is_whole,
    speed_is_tokens_over_duration,
    tokens_equal_last_count,
)
from chatproof.harness.protocol.checks import sse
from chatproof.harness.protocol.checks.end import (
    ends_once,
    ends_or_is_refused,
    nothing_said_ends_once,
    one_completion_and_last,
)
from chatproof.harness.protocol.checks.later import of_place
from chatproof.harness.protocol.checks.tok import text_is
from chatproof.harness.protocol.transcript import Transcript, Transport

COUNT = "Please count from one to fifty, in words."
OF_ENDS = (  # of other apis: what says how a reply ended
    openai_chat_checks.one_known_reason_at_the_end,
    ai_sdk_checks.parts_are_known,
    ag_ui_checks.all_is_closed_that_is_opened,
)
MIDST = 13  # tokens of twenty
SHORT = 0.5  # seconds of reply; what happens between a server's two clock readings spoils the speed of a shorter one


@requirement("END-01", "END-02", "END-03", "END-04", "END-07", "END-08")
async def test_a_reply_ends_once_and_says_what_it_was(case: Case) -> None:
    """One completion, whose fields are typed and agree with the tokens before it."""
    case.conforms(await case.ask(), one_completion_and_last, COMPLETION_CHECKS)


async def while_another_asks(case: Case) -> Transcript:
    """A reply of about a second, in the midst of which another client asks: each has a clock of its own."""
    for waits in count():  # bounded by `wait_out`
        stream = await case.start(COUNT, script="paced")
        await stream.until(lambda reply: len(reply.tokens) >= MIDST, 5)
        await case.ask(source=case.lane.budget.addresses.fresh())
        reply = await stream.finish()
        if not await case.refused_for_now(reply, waits):
            break
    case.lane.note(reply)
    return await with_counts(reply, case.lane.provider)


@requirement("END-01", "END-03", "END-04", "END-05", "END-06", when=When.QUIET)
async def test_duration_and_speed_are_true(case: Case) -> None:
    """The figures of a reply of about a second, compared with the client's clock."""

    async def attempt() -> Attempt:
        alone = case.lane.provider is None or is_first_revision(case)
        reply = await (case.ask(COUNT, script="paced") if alone else while_another_asks(case))
        case.conforms(reply, one_completion_and_last, AGREES_WITH_TOKENS)
        if case.lane.provider is None and (took := (reply.ended_at or 0.0) - reply.asked_at) < SHORT:
            raise NotApplicable(f"the reply took {took:.2f} s, which is too short to measure its speed")
        return reply, (speed_is_tokens_over_duration, duration_is_true)

    await steadily(case, attempt)


@requirement("END-03", "END-04", "END-06", when=When.QUIET)
async def test_the_wait_for_the_first_token_may_count_or_not(case: Case) -> None:
    """The provider is silent for two seconds first; `duration` may include that or not."""

    async def attempt() -> Attempt:
        reply = await case.ask(script="slow-start")
        case.conforms(reply, AGREES_WITH_TOKENS)
        return reply, (duration_is_true,)

    await steadily(case, attempt)


@over_all
@requirement("END-09", "END-02", "END-03")
async def test_an_empty_reply_ends(case: Case, transport: Transport) -> None:
    """The provider ends its reply well, and says nothing in it."""
    needs_a_later_revision(case)
    case.needs_provider()
    reply = await case.ask(script="empty", over=transport)
    case.conforms(reply, nothing_said_ends_once)
    if reply.is_success and transport is Transport.SSE:
        form = (completion_is_typed, tokens_equal_last_count)
        case.conforms(reply, *of_document(case, *(of_place("an empty reply", one) for one in form)))
    for row in {"END-02", "END-03"} - {record.id for record in case.records}:
        case.cannot_judge(row, f"there is no completion over SSE to look at: {reply.outcome()}")


@over_both
@requirement("END-09")
async def test_a_refusal_ends(case: Case, transport: Transport) -> None:
    """The model refuses to answer, or its provider does."""
    for script in ("refusal", "blocked"):
        reply = await case.ask(script=script, over=transport)
        case.conforms(reply, ends_or_is_refused("END-09", f"after {case.provider.does(script)}: "))


@over_both
@requirement("END-10", "OAI-03", "AIS-05", "AGU-02")
async def test_a_reply_that_the_provider_ends_early_keeps_its_text(case: Case, transport: Transport) -> None:
    """For its length, and for the provider's content filter. Other apis have words of their own for that."""
    for script in ("length", "content-filter"):
        reply = await case.ask(script=script, over=transport)
        entry = await case.provider.asked(reply)
        if entry and entry.status != 200:  # local models have no content filter
            continue
        what = f"after {case.provider.does(script)}: "
        case.conforms(reply, text_is(case.provider.text(script), "END-10", what), ends_once("END-10", what))
        if case.lane.succeeded(reply):
            case.conforms(reply, *(of_place(f"a reply with {script}", one) for one in OF_ENDS))


@requirement("END-12", "SSE-02", "SSE-03", "SSE-09")
async def test_full_response_is_the_whole_text(case: Case) -> None:
    """Text with runs of blanks and line breaks, longer than a preview; and a very long one, in large events."""
    needs_a_later_revision(case)
    scripts = named("long-response", LARGE)
    name = next(iter(scripts))
    await case.provider.add({"layout": says("A list with code in it.", LAYOUT), name: scripts[name][1]})
    for script in ("layout", name):
        reply = await case.ask(script=script)
        case.conforms(reply, full_response_is_whole(await case.provider.said_for(reply, script)))
        form = (sse.one_object_a_line, sse.strict_text, sse.framing_is_sound)
        case.conforms(reply, *(of_place("a reply of large events", one) for one in form))
