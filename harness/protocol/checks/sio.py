"""SIO: what is special to Socket.IO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from chatproof.harness.protocol.apis.chat_stream.chat_stream import COUNT
from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.excerpts import counted, difference, shown
from chatproof.harness.protocol.findings import Check, Finding, Violation, check
from chatproof.harness.protocol.messages import Kind, is_integer, is_text
from chatproof.harness.protocol.transcript import Transcript

CHAT_KINDS = (Kind.TOKEN, Kind.COMPLETION, Kind.ERROR)


@check("SIO-03")
def one_terminal_event(transcript: Transcript) -> Iterator[Finding]:
    """One `chat_complete` or `chat_stream_error`, and no chat event behind it."""
    expected = "exactly one terminal event, a completion or an error, and no event of the reply after it"
    chat = transcript.of(*CHAT_KINDS)
    if (terminal := transcript.terminal) is None:
        yield Violation(f"no terminal event: {transcript.outcome()}", expected, transcript.ended_at)
        return
    if behind := chat[chat.index(terminal) + 1 :]:
        seen = f"{counted(len(behind), 'event')} after {terminal.name}: {behind[0].name} {shown(dict(behind[0].body))}"
        yield Violation(seen, expected, behind[0].at, behind[0])


@check("SIO-05")
def refused_with_an_error(transcript: Transcript) -> Iterator[Finding]:
    """One `chat_stream_error` with a text, and nothing else."""
    expected = "chat_stream_error with a non-empty `error`"
    if not (chat := transcript.of(*CHAT_KINDS)):
        yield Violation(f"{transcript.request}: no answer: {transcript.outcome()}", expected, transcript.ended_at)
    elif chat[0].kind is not Kind.ERROR or not is_text(chat[0].text):
        seen = f"{transcript.request}: {chat[0].name} {shown(dict(chat[0].body))}"
        yield Violation(seen, expected, chat[0].at, chat[0])


def replies_do_not_mix(first: str, second: str) -> Check:
    """Of two asks on one socket the second is queued or refused, or ends the first one with an error: their tokens
    stand one after the other."""

    @check("SIO-11")
    def look(transcript: Transcript) -> Iterator[Finding]:
        expected = "the whole first reply, or its beginning and an error; then the whole second one, or its refusal"
        replies: list[str] = []
        last: Any = None
        failed: list[int] = []  # how many replies had begun at each error
        for message in transcript.of(Kind.TOKEN, Kind.ERROR):
            if message.kind is Kind.ERROR:
                failed.append(len(replies))
                continue
            count = message.body.get(COUNT)
            if not replies or (is_integer(count) and is_integer(last) and count <= last):
                replies.append("")
            replies[-1] += message.token
            last = count
        runs = list(map(words, replies))
        said = ", then ".join(shown(reply, 60) for reply in replies) or "none"
        outcome = f"{counted(len(failed), 'error event')}; replies: {said}"
        is_queued = runs == [words(first), words(second)]
        is_refused = runs == [words(first)] and failed
        is_replaced = 1 in failed and runs[1:] == [words(second)] and words(first).startswith(runs[0])
        if not (is_queued or is_refused or is_replaced):
            yield Violation(outcome, expected, transcript.ended_at)

    return look


def kept_by_an_upgrade(text: str | None, moved_at: float) -> Check:
    """A reply during which its socket moved from polling to a WebSocket is whole, and nothing in it came twice.

    Args:
        text: what the provider said; None where nobody knows.
        moved_at: when the socket had moved, in seconds of the transcript's clock.
    """

    @check("SIO-13")
    def look(transcript: Transcript) -> Iterator[Finding]:
        expected = "the whole reply, each token once, whatever the transport is"
        counts = [int(one) for message in transcript.tokens if is_integer(one := message.body.get(COUNT))]
        before = sum(message.at < moved_at for message in transcript.tokens)
        after = len(transcript.tokens) - before
        came = f"{counted(before, 'token')} came before the move to the WebSocket, {after} after it"
        seen = f"{came}; {transcript.outcome()}"
        if again := next((count for place, count in enumerate(counts) if count in counts[:place]), None):
            yield Violation(f"token {again} came twice: {seen}", expected, transcript.ended_at)
        elif lost := sorted(set(range(1, max(counts, default=0) + 1)) - set(counts)):
            yield Violation(f"{_numbered(lost)} never came: {seen}", expected, transcript.ended_at)
        elif late := next((two for one, two in pairwise(counts) if two < one), None):
            yield Violation(f"token {late} came after later ones: {seen}", expected, transcript.ended_at)
        elif not transcript.is_success:
            what = "nothing came after" if before == len(transcript.messages) else "the reply was not completed after"
            yield Violation(f"{what} the move: {seen}", expected, transcript.ended_at)
        elif text is not None and words(transcript.text) != words(text):
            yield Violation(f"{difference(transcript.text, text)}: {seen}", expected, transcript.ended_at)

    return look


def _numbered(tokens: Sequence[int]) -> str:
    """`token 4`, `tokens 4 to 9`: the first ones without a gap."""
    first = last = tokens[0]
    while last + 1 in tokens:
        last += 1
    return f"token {first}" if first == last else f"tokens {first} to {last}"
