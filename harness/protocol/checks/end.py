"""How a reply ends."""

from __future__ import annotations

from collections.abc import Iterator

from chatproof.harness.protocol.checks.err import is_http_error
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.findings import Check, Finding, Unjudged, Violation, check
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.transcript import End, Transcript


@check("END-01")
def one_completion_and_last(transcript: Transcript) -> Iterator[Finding]:
    """Exactly one completion, and nothing behind it."""
    expected = "exactly one completion, as the last event"
    if transcript.status not in (200, None) or transcript.end is End.REFUSED:
        yield Unjudged(f"there was no stream: {transcript.outcome()}")
        return
    if not (completions := transcript.of(Kind.COMPLETION)):
        if transcript.of(Kind.ERROR):
            yield Unjudged(f"the reply did not succeed: {transcript.outcome()}")
        else:
            yield Violation(f"no completion: {transcript.outcome()}", expected, transcript.ended_at)
        return
    if behind := transcript.messages[transcript.messages.index(completions[0]) + 1 :]:
        count = f"{counted(len(completions), 'completion')}, {counted(len(behind), 'event')} after the first"
        yield Violation(f"{count}: {shown(dict(behind[0].body))}", expected, behind[0].at, behind[0])


def ends_once(requirement_id: str, where: str = "") -> Check:
    """One terminal event, a completion or an error, and nothing behind it. `where`: what the reply was."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        expected = "one terminal event, a completion or an error, as the last event"
        if (terminal := transcript.terminal) is None:
            yield Violation(f"{where}no terminal event: {transcript.outcome()}", expected, transcript.ended_at)
            return
        if terminal.kind is Kind.ERROR and transcript.api.ends_at_error:
            return
        events = transcript.of(Kind.TOKEN, Kind.COMPLETION, Kind.ERROR)
        if behind := events[events.index(terminal) + 1 :]:
            more = counted(len(behind), "event")
            seen = f"{where}{more} after the terminal event: {shown(dict(behind[0].body))}"
            yield Violation(seen, expected, behind[0].at, behind[0])

    return look


def ends_or_is_refused(requirement_id: str, where: str = "") -> Check:
    """As `ends_once`; before a stream begins, an HTTP error is an end as well."""
    once = ends_once(requirement_id, where)

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        if not is_http_error(transcript):
            yield from once(transcript)
        elif transcript.error_text is None:
            seen = f"{where}status {transcript.status} with the body {shown(transcript.body, 200)}"
            yield Violation(seen, "an error body with a non-empty text")

    return look


@check("END-09")
def nothing_said_ends_once(transcript: Transcript) -> Iterator[Finding]:
    """The reply to which the provider said nothing: a completion without tokens, or an error."""
    if transcript.tokens:
        first = transcript.tokens[0]
        seen, expected = f"a token that the provider never said: {shown(dict(first.body))}", "no token"
        yield Violation(seen, expected, first.at, first)
    yield from ends_or_is_refused("END-09")(transcript)
