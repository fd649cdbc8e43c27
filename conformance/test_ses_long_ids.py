"""SES: ids that are long."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import over_both, requirement
from chatproof.conformance.suite.session_requests import exchange, look_up, sent_upstream
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.transcript import Transport

LENGTH = 200  # characters of an id


@over_both
@requirement("SES-20")
async def test_long_ids_are_told_apart(case: Case, transport: Transport) -> None:
    """What is said under one id does not reach the other session, and its DELETE leaves that alone."""
    case.needs_provider()
    begin = case.lane.new_session().ljust(LENGTH - 1, "x")
    one, two = begin + "a", begin + "b"
    first = await case.ask("My name is Ferdinand.", session=one, over=transport)
    is_refused = first.status is not None and 400 <= first.status < 500
    if is_refused or (transport is not Transport.SSE and first.of(Kind.ERROR)):
        case.holds("SES-20", True, "", "")
        return
    seen = f"an ask with an id of {LENGTH} characters: {first.outcome()}"
    if not case.holds("SES-20", case.lane.succeeded(first), seen, "a reply, or a 4xx", first):
        return
    second = await exchange(case, "Who am I?", two, over=transport)
    is_mixed = first.case in await sent_upstream(case, second)
    alike = f"two ids of {LENGTH} characters, alike but for the last one"
    seen = f"{alike}: the provider was sent, with a message of the second session, what was said in the first"
    kept = case.holds("SES-20", not is_mixed, seen, "two sessions", second)
    if not kept or transport is not Transport.SSE:
        return
    deleted = await look_up(case, one, "DELETE")
    third = await exchange(case, "And now?", two)
    has_forgotten = second.case not in await sent_upstream(case, third)
    if deleted.status != 200 or (has_forgotten and not await remembers(case)):
        return
    seen = f"{alike}: after the DELETE of the first session, the second one has forgotten what was said in it"
    case.holds("SES-20", not has_forgotten, seen, "two sessions", third)


async def remembers(case: Case) -> bool:
    """Whether a session with an ordinary id takes what was said in it to the provider."""
    session = case.lane.new_session()
    said = await exchange(case, "My name is Ferdinand.", session)
    return said.case in await sent_upstream(case, await exchange(case, "Who am I?", session))
