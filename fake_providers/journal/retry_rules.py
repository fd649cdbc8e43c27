"""How a client repeats what failed: too soon, too often, or what it must not repeat at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from chatproof.fake_providers.journal.client_faults import Finding, Observed, time_of
from chatproof.fake_providers.journal.entry import Entry
from chatproof.fake_providers.journal.tries import advised_wait, at_once, tries_in

_TRY_AGAIN: Final = (408, 409, 425, 429)
"""The statuses below 500 after which the same request may succeed: RFC 9110, RFC 8470 and RFC 6585 say so of 408, 409,
425 and 429; the OpenAI clients retry 408, 409 and 429, Google's 408 and 429."""


def ignored_waits(observed: Observed) -> Iterator[Finding | None]:
    """A repeat that comes sooner than the answer before it asked for.

    As in github.com/Helicone/helicone/issues/5672; of Gemini's RetryInfo: github.com/Tracer-Cloud/opensre/issues/3171.
    """
    for before, after in _repeats(observed):
        wait = advised_wait(before)
        if wait is None or _told_to_stop(before):
            continue
        gap = _gap(before, after)
        if gap >= wait[0] - observed.limits.early:
            yield None
            continue
        yield Finding(
            "retry-after-ignored",
            f"#{after.id} came {time_of(gap)} after the {before.status} of #{before.id}, which said {wait[1]}",
            f"no repeat sooner than {time_of(wait[0])} after that answer",
            "the retry loop has a delay of its own, and does not read the answer's headers (Gemini: error.details), or"
            " heeds only short waits (OpenAI's JavaScript client: up to 60 s)",
            (before, after),
        )


def retried_against_advice(observed: Observed) -> Iterator[Finding | None]:
    """A repeat after `x-should-retry: false`, which OpenAI's clients obey before they look at the status.

    Source: `_should_retry` in github.com/openai/openai-python, `src/openai/_base_client.py`.
    """
    for before, after in _last_and_repeats(observed):
        if not _told_to_stop(before):
            continue
        yield (
            None
            if after is None
            else Finding(
                "retried-against-advice",
                f"#{after.id} repeats #{before.id}, whose answer ({before.status}) said x-should-retry: false",
                "no repeat",
                "the retry loop looks at the status alone",
                (before, after),
            )
        )


def retry_storms(observed: Observed) -> Iterator[Finding | None]:
    """Too many repeats, repeats without a back-off, or many at the same time.

    As in github.com/gadievron/raptor/issues/93: 288 requests for 10 asks, as the layers' retries multiply.
    """
    limits = observed.limits
    for tries in tries_in(observed.entries):
        if not tries.failures:
            continue
        repeats = tries.repeats
        gaps = [_gap(*repeat) for repeat in repeats]
        if len(gaps) > limits.max_retries:
            yield Finding(
                "retry-storm",
                f"#{tries.entries[0].id} was repeated {len(gaps)} times in {time_of(_span(tries.entries))}",
                f"at most {limits.max_retries} repeats",
                "a loop without a limit, or retries of several layers (SDK, framework, own code) that multiply",
                tuple(tries.entries),
            )
        # A client that gave up waiting has waited already, and a wait that was asked for is another rule's.
        hasty = [_is_failure(before) and gap < limits.backoff for (before, _), gap in zip(repeats, gaps, strict=True)]
        first = next((number for number, both in enumerate(pairwise(hasty)) if all(both)), None)
        if first is not None:
            shown = tries.entries[first : first + 3]
            yield Finding(
                "retry-storm",
                f"#{shown[1].id} and #{shown[2].id} repeat #{shown[0].id} without a back-off: they came"
                f" {time_of(gaps[first])} and {time_of(gaps[first + 1])} after the failure before",
                f"{time_of(limits.backoff)} before the second repeat, longer before each further one, and jitter",
                "a `for` loop around the request with no sleep in it",
                tuple(shown),
            )
        elif len(gaps) <= limits.max_retries:
            yield None
    crowd = max(at_once(observed.entries, observed.now), key=len, default=[])
    if len(crowd) > limits.at_once:
        yield Finding(
            "retry-storm",
            f"{len(crowd)} equal requests of case {crowd[0].case} were open at once:"
            f" {', '.join(f'#{one.id}' for one in crowd)}",
            f"at most {limits.at_once} at the same time",
            "a repeat is sent while the request before it still runs, or by each of several tasks",
            tuple(crowd),
        )


def retried_refusals(observed: Observed) -> Iterator[Finding | None]:
    """A repeat of what the provider has refused for good: 400, 401, 403, 404 and all others below 500 but four.

    As in github.com/coder/xum/issues/544 and github.com/letta-ai/letta-code/pull/725.
    """
    for before, after in _last_and_repeats(observed):
        if not _is_refusal(before):
            continue
        yield (
            None
            if after is None
            else Finding(
                "refusal-retried",
                f"#{after.id} repeats #{before.id} unchanged {time_of(_gap(before, after))} after its {before.status}",
                "no repeat: the same request with the same key gets the same answer",
                "the retry loop catches every error: only 408, 409, 425, 429, 5xx and lost connections deserve one",
                (before, after),
            )
        )


def _repeats(observed: Observed) -> Iterator[tuple[Entry, Entry]]:
    for tries in tries_in(observed.entries):
        yield from tries.repeats


def _last_and_repeats(observed: Observed) -> Iterator[tuple[Entry, Entry | None]]:
    """Each request with a body, and the one that repeats it."""
    for tries in tries_in(observed.entries):
        yield from zip(tries.entries, [*tries.entries[1:], None], strict=True)


def _told_to_stop(entry: Entry) -> bool:
    return entry.reply_headers.get("x-should-retry") == "false"


def _is_refusal(entry: Entry) -> bool:
    status = entry.status or 0
    refused = 400 <= status < 500 and status not in _TRY_AGAIN
    return refused and "x-should-retry" not in entry.reply_headers and advised_wait(entry) is None


def _is_failure(entry: Entry) -> bool:
    """Whether the provider failed in a way that says nothing about when, or whether, to repeat."""
    by_provider = entry.hangup_after is None and not _told_to_stop(entry) and not _is_refusal(entry)
    return by_provider and advised_wait(entry) is None


def _gap(before: Entry, after: Entry) -> float:
    return after.received - (before.received if before.ended_at is None else before.ended_at)


def _span(entries: Sequence[Entry]) -> float:
    return entries[-1].received - entries[0].received
