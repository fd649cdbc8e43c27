"""How a client reads: whether it notices that a reply broke off, lets go of what it no longer reads, and gives up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chatproof.fake_providers.journal.client_faults import Finding, Observed, time_of
from chatproof.fake_providers.journal.entry import Entry
from chatproof.fake_providers.journal.tries import followed_up, has_said_all

_DEAD_S: Final = 30.0
"""Half of the 60 s after which proxies give up on a silent server by default (nginx: `proxy_read_timeout`)."""


def cut_offs_taken_for_whole(observed: Observed) -> Iterator[Finding | None]:
    """A reply that broke off and yet became the answer: a later request has it as the assistant's turn and goes on, or
    the test says that the client returned it.

    As in github.com/BerriAI/litellm/issues/40260 and github.com/HKUDS/nanobot/issues/3256.
    """
    whole = [entry for entry in observed.entries if entry.whole]
    for cut in observed.entries:
        if cut.whole or not cut.unfinished or not cut.tokens or cut.ended is None:
            continue
        text = cut.text.strip()
        finding: Finding | None = None
        if text and text == (observed.returned or "").strip() and not any(one.text.strip() == text for one in whole):
            finding = _taken(cut, "the client returned it to its caller as the answer", (cut,))
        for later in observed.entries:
            turn = followed_up(cut, later) if later.received >= (cut.ended_at or cut.received) else None
            if turn is None or any(_answers(one, cut, later, turn) for one in whole):
                continue
            if turn.strip() == text:  # also where both are empty: calls alone
                finding = _taken(cut, f"#{later.id} goes on with it as the assistant's turn", (cut, later))
                break
        yield finding


def streams_left_open(observed: Observed) -> Iterator[Finding | None]:
    """A request that still runs although the client's work is done, where another client would have hung up.

    As in github.com/BerriAI/litellm/issues/30244 and github.com/onyx-dot-app/onyx/issues/13743.
    """
    for entry in observed.entries:
        if entry.hangup_after is not None:
            yield None
        elif entry.ended is None and not _is_dead(entry, observed):
            silent = time_of(observed.now - entry.last_write)
            yield Finding(
                "stream-left-open",
                f"#{entry.id} is still open {time_of(observed.now - entry.received)} after it came:"
                f" {entry.tokens} tokens sent, the last write {silent} ago",
                "every connection closed by now: whoever reads no further closes the response",
                "a loop over the stream is left with `break`, an error or a cancelled task, and nothing closes the"
                " response (Python: `with`, `async with`, `aclosing`; JavaScript: AbortController)",
                (entry,),
            )


def missing_read_timeouts(observed: Observed) -> Iterator[Finding | None]:
    """A provider that says nothing more is waited for longer than the limit.

    As in github.com/microsoft/amplifier/issues/339 (8.7 hours) and github.com/pipecat-ai/pipecat/pull/5249.
    """
    limit = observed.limits.read_timeout
    for entry in observed.entries:
        if limit is not None or has_said_all(entry):
            waited = _silences(entry, observed.now)
            if waited > (_DEAD_S if limit is None else limit) + observed.limits.early:
                yield Finding(
                    "no-read-timeout",
                    f"#{entry.id} waited {time_of(waited)} while the provider said nothing",
                    f"the client gives up after at most {time_of(_DEAD_S if limit is None else limit)} of silence",
                    "no read timeout: google-genai and ollama have none by default, OpenAI's Python client has 600 s,"
                    " and the timeout of OpenAI's JavaScript client ends with the headers",
                    (entry,),
                )
            elif has_said_all(entry):
                yield None


def _taken(cut: Entry, how: str, entries: tuple[Entry, ...]) -> Finding:
    return Finding(
        "cut-off-taken-for-whole",
        f"the reply to #{cut.id} broke off after {cut.tokens} tokens, and {how}",
        "an error for the caller, or the same request again",
        "the reader takes the end of the stream for the end of the reply, and looks for no finish reason or end mark",
        entries,
    )


def _answers(whole: Entry, cut: Entry, later: Entry, turn: str) -> bool:
    """Whether this whole reply may be where the later request has the turn from."""
    in_time = (whole.ended_at or whole.received) <= later.received
    return in_time and (whole.text.strip() == turn.strip() if turn else whole.body == cut.body)


def _is_dead(entry: Entry, observed: Observed) -> bool:
    limit = observed.limits.read_timeout
    return has_said_all(entry) and observed.now - entry.last_write > (_DEAD_S if limit is None else limit)


def _silences(entry: Entry, now: float) -> float:
    """The longest time, in seconds, for which the provider said nothing and the client waited."""
    writes = entry.writes
    # A write that is late waited for the client, which read nothing, or for the machine.
    spoken = zip([entry.received, *(write.at for write in writes)], writes, strict=False)
    waits = [write.at - write.late - before for before, write in spoken]
    if entry.tokens == 0 or has_said_all(entry):
        waits.append((now if entry.ended_at is None else entry.ended_at) - entry.last_write)
    return max(waits, default=0.0)
