"""SES-17: a conversation that goes on for a while."""

from __future__ import annotations

from functools import partial

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import TooLate, without
from chatproof.conformance.suite.marks import over_both, requirement
from chatproof.conformance.suite.odd_replies import says
from chatproof.conformance.suite.ordinary_texts import prose
from chatproof.conformance.suite.provider import messages_of, upstream_text
from chatproof.conformance.suite.session_requests import count_of, exchange, is_refusal
from chatproof.conformance.suite.settled import settled
from chatproof.harness.protocol.checks.history import told_as_the_users, told_twice
from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.requirements import OWN_API
from chatproof.harness.protocol.transcript import Transcript, Transport

TOPICS = ("harbours", "bridges", "lanterns", "orchards", "clocks", "rivers", "kites", "bakeries", "stairs", "gardens")
EARLY = 6  # messages of exchanges that other rows judge
QUESTION = "Please tell me something about {}, in a few sentences, since I would like to know why people care for them."
ANSWER = (
    "There is much to say about {}. ",
    "Some are old and some are new, and each town has its own. ",
    "Those who live near them hardly look at them, and those who travel far remember them for years. ",
    "Whoever wants to understand them had better go and see.",
)
LONG_QUESTION, LONG_ANSWER = {"bridges": prose(2_000)}, {"lanterns": prose(4_000)}  # what these have in addition

MANY = 26  # exchanges: with more than fifty messages a window of the usual sizes is full
SAID_LAST = "The word that you look for is quince."
SAME_ANSWER = {"rivers": "clocks"}  # models repeat themselves: this one is answered in the words of that one


@over_both
@requirement("SES-17")
async def test_a_long_conversation_goes_upstream_whole(case: Case, transport: Transport) -> None:
    """Ten exchanges, each with a text of its own; the last request holds all of them, once and in order. Over SSE the
    conversation goes on."""
    scripts = {
        f"about-{topic}": [
            *(text.format(SAME_ANSWER.get(topic, topic)) for text in ANSWER),
            LONG_ANSWER.get(topic, " That is all."),
        ]
        for topic in TOPICS
    }
    await case.provider.add({name: says(f"An answer about {name}.", said) for name, said in scripts.items()})
    session = case.lane.new_session()
    socket = None if transport is Transport.SSE else await case.connect(transport)
    said: list[str] = []
    asked: list[str] = []
    for topic, script in zip(TOPICS, scripts, strict=True):
        question = QUESTION.format(topic) + LONG_QUESTION.get(topic, "")
        if topic == TOPICS[-1]:
            await settled(partial(count_of, case, session))
        reply = await case.ask(question, script=script, session=session, over=transport, socket=socket)
        if topic in LONG_QUESTION and await is_refusal(case, reply):  # a limit of a message's length is legal (REQ-11)
            question = QUESTION.format(topic)
            reply = await case.ask(question, script=script, session=session, over=transport, socket=socket)
        if not case.lane.succeeded(reply):
            seen = f"exchange {len(said) // 2 + 1} of ten failed: {reply.outcome()}"
            if len(said) < EARLY or reply.did_not_come:
                raise without(reply, seen)
            await exchange(case, "Please say hello.", case.lane.new_session(), over=transport)
            case.holds("SES-17", False, f"{seen}; a new session is answered", "ten exchanges", reply)
            return
        said += [question, case.provider.text(script)]
        asked.append(case.lane.message(question, script, reply.case))
    if (entry := await case.provider.asked(reply)) is None:
        raise TooLate(f"the provider was never asked: {reply.outcome()}")
    upstream, wanted = words(upstream_text(entry)), said[:-1]
    places = [place_of(words(text), upstream, wanted[:number].count(text)) for number, text in enumerate(wanted)]
    lost = [number for number, place in enumerate(places, start=1) if place < 0]
    numbers = ", ".join(map(str, lost))
    seen = (
        f"the tenth request lacks {counted(len(lost), 'message')} of {len(wanted)}: {numbers} (odd ones are the user's)"
    )
    if lost and all(wanted[number - 1] in wanted[: number - 1] for number in lost):
        seen += ", which was said twice in the same words"
    if case.holds("SES-17", not lost, seen, "all that was said, in the provider's request", reply):
        seen = f"in the tenth request what was said stands in another order: {places}"
        case.holds("SES-17", places == sorted(places), seen, "the order in which it was said", reply)
    history = messages_of(entry)
    case.keep("SES-17", [*told_twice(history, asked), *told_as_the_users(history, said[1::2])], reply)
    is_within = MANY - len(TOPICS) <= case.lane.settings.stream_limit
    if transport is Transport.SSE and is_within and (source := case.lane.budget.addresses.fresh()):
        await judge_newest(case, session, source)


async def judge_newest(case: Case, session: str, source: str) -> None:
    """Go on with a conversation of ten exchanges, and judge that what was said last reaches the provider. A server may
    let go of what is older, and may refuse a conversation for its length."""
    said_last = await case.provider.register("said-last", says("A word that nobody else says.", [SAID_LAST]))
    scripts = ["three-tokens"] * (MANY - len(TOPICS) - 2) + [said_last, "hello"]
    replies: list[Transcript] = []
    for number, script in enumerate(scripts, start=len(TOPICS) + 1):
        if number == MANY and case.lane.api.name == OWN_API:
            await settled(partial(count_of, case, session))
        reply = await case.ask(f"Question {number} of many.", script=script, session=session, source=source)
        if not case.lane.succeeded(reply):
            seen = f"exchange {number} of a session failed: {reply.outcome()}"
            if reply.did_not_come:
                raise without(reply, seen)
            if not await is_refusal(case, reply):
                await exchange(case, "Please say hello.", case.lane.new_session(), source=source)
                case.holds("SES-17", False, f"{seen}; a new session is answered", "a reply, or a 4xx", reply)
            return
        replies.append(reply)
    before, newest = replies[-2:]
    if (entry := await case.provider.asked(newest)) is None:
        seen = f"exchange {MANY} of a session: the provider never got its message, and yet: {newest.outcome()}"
        case.holds("SES-17", False, seen, "the newest message at the provider", newest)
        return
    upstream = upstream_text(entry)
    lost = [] if before.case in upstream else ["message"]
    lost += [] if words(SAID_LAST) in words(upstream) else ["reply"]
    seen = f"the provider's request for exchange {MANY} of a session lacks the {' and the '.join(lost)} before it"
    case.holds("SES-17", not lost, f"{seen}: {shown(upstream[-400:], 400)}", "what was said last", newest)


def place_of(text: str, whole: str, before: int) -> int:
    """Where a text stands in another one, behind as many of the same; -1 where it does not."""
    place = whole.find(text)
    for _ in range(before):
        place = whole.find(text, place + 1) if place >= 0 else place
    return place
