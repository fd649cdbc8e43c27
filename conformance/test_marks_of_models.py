"""REQ-16, TOK-09 and SES-15: the marks with which models keep texts apart, as words of a conversation.

tiktoken raises an exception where it counts them, unless it is told not to.
"""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import over_both, requirement
from chatproof.conformance.suite.odd_replies import says
from chatproof.conformance.suite.session_requests import is_refusal
from chatproof.harness.protocol.transcript import Transport

ASKED = "What do <|endoftext|>, <|im_start|> and <|im_end|> mean?"
TOLD = ("The first mark,", " <|endoftext|>", ", ends a text, and", " <|im_start|>", " begins a message.")


@over_both
@requirement("REQ-16", "TOK-09", "SES-15")
async def test_marks_of_models_do_no_harm(case: Case, transport: Transport) -> None:
    """A message with such marks, then a reply with them, then an ordinary exchange, all in one session.

    A server may refuse the message, and may strip the marks of a reply.
    """
    lane, session = case.lane, case.lane.new_session()
    script = await case.provider.register("marks-of-models", says("A reply with a model's own marks.", TOLD))
    first = await case.ask(ASKED, session=session, over=transport)
    is_taken = lane.succeeded(first) or await is_refusal(case, first)
    seen = f"the message {ASKED!r} over {transport}: {first.outcome()}"
    if not case.holds("REQ-16", is_taken, seen, "a reply, or a 4xx", first):
        session = lane.new_session()
    reply = await case.ask("Please tell me.", script=script, session=session, over=transport)
    is_whole = lane.succeeded(reply)
    if is_whole or lane.succeeded(await case.ask("Please tell me.", script=script, over=transport)):
        case.holds("TOK-09", True, reply.outcome(), "a completion", reply)
        what = "a message and a reply"
        if is_whole:
            reply = await case.ask("Please go on.", session=session, over=transport)
        else:
            what = "a message"
        seen = f"the exchange after {what} with a model's own marks, over {transport}: {reply.outcome()}"
        case.holds("SES-15", lane.succeeded(reply), seen, "a whole reply", reply)
    else:
        seen = f"a reply with a model's own marks, such as <|endoftext|>, over {transport}: {reply.outcome()}"
        case.holds("TOK-09", False, seen, "a completion, with the marks or without them", reply)
        case.cannot_judge("SES-15", seen)
