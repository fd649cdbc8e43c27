"""SSE: the stream on the wire."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.paced_replies import judge_pace
from chatproof.conformance.suite.revisions import NOT_LOOKED_AT, is_first_revision
from chatproof.conformance.suite.timed_checks import Attempt, steadily
from chatproof.harness.client.connection import TcpConnection
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import SESSIONS_PATH, body_of
from chatproof.harness.protocol.apis.chat_stream.completion_checks import full_response_is_last_partial
from chatproof.harness.protocol.checks import sse
from chatproof.harness.protocol.checks.later import of_place
from chatproof.harness.protocol.checks.tok import text_is
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import OWN_API
from chatproof.harness.protocol.transcript import End, Transport

ENCODINGS = (("Accept-Encoding", "gzip, deflate, br"),)

# Events of 3 to 15 KB: more than a TCP segment, and more than many buffers hold.
LARGE_EVENTS = f"""
about = "Four large tokens."
[timing]
inter_token_ms = 40
[[steps]]
tokens = [{", ".join(f'"{letter * 3000}"' for letter in "wxyz")}]
"""


@requirement("SSE-01", "SSE-02", "SSE-03", "SSE-04", "SSE-05", "SSE-08", "SSE-09", "SSE-10")
async def test_the_stream_is_sound(case: Case) -> None:
    """Content type, events, framing and end of an ordinary reply."""
    reply = await case.ask()
    checks = sse.STREAM_CHECKS if case.lane.api.name == OWN_API else sse.OF_EVERY_API
    case.conforms(reply, checks, sse.not_cacheable)


@requirement("SSE-02", "SSE-03", "SSE-04", "SSE-08", "SSE-09", "END-04")
async def test_the_stream_is_sound_with_odd_text(case: Case) -> None:
    """The same where the text looks like SSE framing."""
    for script in ("nasty", "unicode") if case.lane.provider else ("hello",):
        reply = await case.ask(script=script)
        case.conforms(
            reply,
            sse.one_object_a_line,
            sse.strict_text,
            sse.nothing_between_events,
            sse.ends_after_terminal,
            sse.framing_is_sound,
        )
        if is_first_revision(case):
            case.cannot_judge("END-04", NOT_LOOKED_AT)
        else:
            case.conforms(reply, of_place("a reply with odd text", full_response_is_last_partial))


@requirement("SSE-09")
async def test_a_connection_that_is_kept_serves_again(case: Case) -> None:
    """An ask, a refused ask, an unknown session and an ask on one connection, as browsers reuse it."""
    connection: TcpConnection | None = None
    for what, expected in (("ask", 200), ("blank", 400), ("session", 404), ("ask", 200)):
        answer, connection = await case.on_kept(connection, kept_request(case, what))
        if answer.terminal and answer.end is End.TIMEOUT:
            case.cannot_judge("SSE-09", "the answer's end was not seen (SSE-08)")
            return
        is_alien = answer.status == 400 and expected != 400  # it took leftovers of the last request for a new one
        kept = answer.end is End.COMPLETE and not is_alien
        seen = f"the answer to a request on a kept connection: {answer.outcome()} {shown(answer.body, 80)}"
        case.holds("SSE-09", kept, seen, "a whole answer, or a connection that was closed before", answer)


def kept_request(case: Case, what: str) -> HttpRequest:
    """A request of the named kind: `ask`, `blank` or `session`."""
    if what == "session":
        return HttpRequest("GET", SESSIONS_PATH + case.lane.new_session())
    if what == "blank":
        return HttpRequest.json("POST", case.lane.api.path, body_of("", case.lane.new_session()))
    return HttpRequest.of(case.lane.api.ask(case.lane.conversation("Please say hello.", "hello", case.lane.new_case())))


@requirement("SSE-06", when=When.QUIET)
async def test_tokens_are_passed_on_as_they_come(case: Case) -> None:
    """Each token arrives before the provider writes the next one, written one by one and in pairs."""
    await judge_pace(case, "SSE-06", Transport.SSE)


@requirement("SSE-11", when=When.QUIET)
async def test_compression_holds_nothing_back(case: Case) -> None:
    """The same for a client that accepts compressed answers."""
    await judge_pace(case, "SSE-11", Transport.SSE, headers=ENCODINGS)


@requirement("SSE-07", "TOK-04", when=When.QUIET)
async def test_large_events_come_whole(case: Case) -> None:
    """There is no pause inside an event, and its text is the provider's."""
    script = "hello"
    if case.lane.provider:
        script = await case.provider.register("large-events", LARGE_EVENTS)

    async def attempt() -> Attempt:
        reply = await case.ask(script=script)
        if case.lane.provider:
            case.conforms(reply, text_is(case.provider.text(script)))
        return reply, (sse.events_come_whole,)

    await steadily(case, attempt)
