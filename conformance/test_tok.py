"""TOK: token events, over SSE and over Socket.IO."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable, TooLate
from chatproof.conformance.suite.marks import over_all, over_both, requirement
from chatproof.conformance.suite.odd_replies import (
    ENDINGS,
    FILTERED,
    LARGE,
    NUL,
    THOUGHT_WITH_TEXT,
    form_of,
    named,
    says,
    wired,
)
from chatproof.conformance.suite.provider import spoken_texts
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.harness.client.http import Deadlines, json_of
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, RESPONSE
from chatproof.harness.protocol.apis.chat_stream.completion_checks import tokens_equal_last_count
from chatproof.harness.protocol.apis.chat_stream.token_checks import COUNTS_AND_PARTIALS, TOKEN_CHECKS, tokens_are_typed
from chatproof.harness.protocol.checks.later import of_place
from chatproof.harness.protocol.checks.tok import (
    parts_are,
    reply_is,
    text_is,
    thoughts_in,
    thoughts_stay_out,
    words_are,
)
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import OWN_API, Profile
from chatproof.harness.protocol.text_loss import loss
from chatproof.harness.protocol.transcript import Transcript, Transport

PATIENT = Deadlines(silence=20, whole=60)  # a server on one thread writes several large replies, one after the other


@over_both
@requirement("TOK-01", "TOK-02", "TOK-03")
async def test_tokens_are_typed_counted_and_add_up(case: Case, transport: Transport) -> None:
    """Every token event of an ordinary reply."""
    case.conforms(await case.ask(over=transport), TOKEN_CHECKS)


@over_both
@requirement("TOK-01", "TOK-02", "TOK-03", "TOK-04")
async def test_nothing_is_lost_or_added(case: Case, transport: Transport) -> None:
    """The text is the provider's, for tokens written all at once and with pauses."""
    for script in ("hundred-tokens", "paced"):
        reply = await case.ask(script=script, over=transport)
        case.conforms(reply, TOKEN_CHECKS, text_is(case.provider.text(script)))


@over_all
@requirement("TOK-02", "TOK-03", "TOK-04")
async def test_a_long_reply_is_whole(case: Case, transport: Transport) -> None:
    """Two thousand tokens, as fast as the provider writes."""
    reply = await case.ask(script="long", over=transport)
    case.conforms(reply, COUNTS_AND_PARTIALS, text_is(await case.provider.said_for(reply, "long")))


@over_both
@requirement("TOK-02", "TOK-03", "TOK-05")
async def test_odd_text_survives(case: Case, transport: Transport) -> None:
    """Text that careless servers split at, trim, escape or normalise, and bytes cut inside characters."""
    for script in ("nasty", "unicode", "split-bytes"):
        reply = await case.ask(script=script, over=transport)
        is_kept = words_are if case.lane.api.reads_raw else text_is  # a line of plain text holds no carriage return
        case.conforms(reply, COUNTS_AND_PARTIALS, is_kept(case.provider.text(script), "TOK-05"))


@over_all
@requirement("TOK-06")
async def test_large_replies_come_whole(case: Case, transport: Transport) -> None:
    """Large tokens, many tokens, and one very large token."""
    scripts = named("large", LARGE)
    await case.provider.add({name: toml for name, (_, toml) in scripts.items()})
    for name, (what, _) in scripts.items():
        reply = await case.ask(script=name, over=transport, deadlines=PATIENT)
        said = await case.provider.said_for(reply, name)
        case.conforms(reply, reply_is(said, "TOK-06", f"{what}, over {transport}: "))


@requirement("TOK-06")
async def test_large_replies_of_chat_come_whole(case: Case) -> None:
    """The same where the answer comes in one piece."""
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable(f"the server shows no {CHAT_PATH}")
    scripts = named("large", LARGE)
    await case.provider.add({name: toml for name, (_, toml) in scripts.items()})
    for name, (what, _) in scripts.items():
        await judge_answer(case, "TOK-06", name, what)


async def judge_answer(case: Case, requirement_id: str, script: str, what: str) -> None:
    """Judge that the answer of `/api/chat` is the text of a script; white space around it may be gone."""
    answer = await case.ask_plain(script=script, deadlines=PATIENT)
    body = json_of(answer)
    got = body.get(RESPONSE) if isinstance(body, dict) else None
    said = await case.provider.said_for(answer, script)
    kept = isinstance(got, str) and got.strip() == said.strip()
    lost = loss(got, said) if isinstance(got, str) else answer.outcome()
    case.holds(requirement_id, kept, f"{what}, of {CHAT_PATH}: {lost}", f"exactly {shown(said, 80)}", answer)


@requirement("TOK-07", "END-03")
async def test_every_form_of_the_providers_stream_is_read(case: Case) -> None:
    """The same text in each wire that the form of the provider's stream can have. The tokens are counted right, too."""
    needs_a_later_revision(case)
    first = await case.ask()
    if (entry := await case.provider.asked(first)) is None:
        raise TooLate(f"the provider was never asked: {first.outcome()}")
    if (form := form_of(entry)) is None:
        raise NotTestable(f"the suite does not know the provider's path {entry.path}")
    scripts = wired(form)
    await case.provider.add({name: toml for name, (_, toml) in scripts.items()})
    for name, (wire, _) in scripts.items():
        reply = await case.ask(script=name, source=case.lane.budget.addresses.fresh())
        case.conforms(reply, reply_is(case.provider.text(name), "TOK-07", f"the provider's stream with {wire}: "))
        if case.lane.api.name == OWN_API and reply.is_success:
            case.conforms(reply, of_place(f"the provider's stream with {wire}", tokens_equal_last_count))
    if not any(record.id == "END-03" for record in case.records):
        case.cannot_judge("END-03", "no reply ended in a completion")


@requirement("TOK-07", "TOK-08")
async def test_thoughts_are_no_part_of_the_reply(case: Case) -> None:
    """A model that thinks aloud, and the next request of that session."""
    session = case.lane.new_session()
    thoughts = str(case.provider.scripts["reasoning"]["thoughts"])
    reply = await case.ask("How long does it take?", script="reasoning", session=session)
    await judge_thoughts(case, reply, "reasoning")
    reply = await case.ask("And how late is it then?", session=session)
    if (entry := await case.provider.asked(reply)) is None:
        raise TooLate(f"the provider was never asked: {reply.outcome()}")
    if form_of(entry) == "chat":
        name = await case.provider.register("thought-with-text", THOUGHT_WITH_TEXT)
        await judge_thoughts(case, await case.ask(script=name), name)
    kept = next(filter(None, (thoughts_in(text, thoughts) for text in spoken_texts(entry.body))), "")
    seen = f"the next request tells the provider that the model had said {shown(kept)}"
    case.holds("TOK-08", not kept, seen, "the model's answer alone in the conversation", reply)


async def judge_thoughts(case: Case, reply: Transcript, script: str) -> None:
    """Judge a reply to which the model's thoughts belong: its text is there, and they are not."""
    case.conforms(reply, thoughts_stay_out(str(case.provider.scripts[script]["thoughts"])))
    said = await case.provider.said_for(reply, script)
    if said in reply.text:  # what stands beside it is a matter of TOK-08
        case.holds("TOK-07", True, "", "")
    else:
        case.conforms(reply, text_is(said, "TOK-07", "with the model's thoughts in the stream: "))


@requirement("TOK-08")
async def test_thoughts_are_no_part_of_the_answer_of_chat(case: Case) -> None:
    """The same where the answer comes in one piece."""
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable(f"the server shows no {CHAT_PATH}")
    answer = await case.ask_plain("How long does it take?", script="reasoning")
    body = json_of(answer)
    got = body.get(RESPONSE) if isinstance(body, dict) else None
    thought = thoughts_in(got, str(case.provider.scripts["reasoning"]["thoughts"])) if isinstance(got, str) else ""
    seen = f"{RESPONSE} shows the model's thoughts: {shown(thought)} in {shown(got)}"
    case.holds("TOK-08", not thought, seen, "the model's answer alone", answer)


@over_all
@requirement("TOK-09", "TOK-01")
async def test_text_that_filters_eat_arrives(case: Case, transport: Transport) -> None:
    """Blank tokens, tokens like the one before, and texts that some take for nothing."""
    needs_a_later_revision(case)
    await case.provider.register("filtered", says("Text that filters eat.", sum(map(tuple, FILTERED.values()), ())))
    parts = {what: "".join(tokens) for what, tokens in FILTERED.items()}
    reply = await case.ask(script="filtered", over=transport)
    said = await case.provider.said_for(reply, "filtered")  # the server may have asked for a reply that stops somewhere
    is_kept = parts_are(parts, "TOK-09") if said == case.provider.text("filtered") else reply_is(said, "TOK-09", "")
    case.conforms(reply, is_kept, tokens_are_typed)


@requirement("TOK-09")
async def test_text_that_filters_eat_arrives_from_chat(case: Case) -> None:
    """The same where the answer comes in one piece: each kind of text alone, so that the finding names it."""
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable(f"the server shows no {CHAT_PATH}")
    scripts = named("filtered", FILTERED)
    await case.provider.add({name: toml for name, (_, toml) in scripts.items()})
    for name, (what, _) in scripts.items():
        await judge_answer(case, "TOK-09", name, f"a reply with {what}")


@over_both
@requirement("TOK-09")
async def test_a_reply_may_end_in_half_a_tag(case: Case, transport: Transport) -> None:
    """What looks like the beginning of something is said, too, once nothing follows; and what looks like an error."""
    scripts = named("ending", ENDINGS)
    await case.provider.add({name: toml for name, (_, toml) in scripts.items()})
    for name, (what, _) in scripts.items():
        reply = await case.ask(script=name, over=transport)
        case.conforms(reply, reply_is(case.provider.text(name), "TOK-09", f"a reply with {what}: "))


@over_both
@requirement("TOK-10")
async def test_a_nul_arrives(case: Case, transport: Transport) -> None:
    """Inside a token, and as a token of its own."""
    await case.provider.register("nul", says("A reply with NUL characters.", NUL))
    case.conforms(await case.ask(script="nul", over=transport), text_is(case.provider.text("nul"), "TOK-10"))
