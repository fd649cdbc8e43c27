"""Assertions about the journal: tests wait for requests and make claims; a failed one shows the requests' timelines.

`Assertions` and `AsyncAssertions` are the same for sync and async tests. The journal of this process and the clients
of served fakes implement the waiting.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import pairwise
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from chatproof.fake_providers.journal.client_faults import ClientFault, ClientLimits, Observed
from chatproof.fake_providers.journal.entry import Entry
from chatproof.fake_providers.journal.resilience import judge

P = ParamSpec("P")
R = TypeVar("R")

_SHOWN_ENTRIES: Final = 5
_SHOWN_WRITES: Final = 4  # at either end of a reply
_SHOWN_TEXT: Final = 40
_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to wait for; every field that is given must hold. `ended`: there is a request, and all have ended."""

    ended: bool = False
    tokens: int | None = None
    entries: int | None = None

    def met(self, entries: Sequence[Entry]) -> bool:
        if self.ended and not (entries and all(entry.ended for entry in entries)):
            return False
        if self.tokens is not None and not any(entry.tokens >= self.tokens for entry in entries):
            return False
        return self.entries is None or len(entries) >= self.entries

    def __str__(self) -> str:
        wanted = ["has ended"] if self.ended else []
        wanted += [f"has written {self.tokens} tokens"] if self.tokens is not None else []
        wanted += [f"has {self.entries} requests"] if self.entries is not None else []
        return " and ".join(wanted)


class Claims(ABC):
    """What assertions stand on, with an event loop and without."""

    @abstractmethod
    async def _until(self, case: str | None, wanted: Wanted, timeout: float) -> tuple[list[Entry], bool]:
        """The case's entries, and whether they met `wanted` before the timeout."""

    @abstractmethod
    async def _now(self) -> float:
        """The time on the clock of the entries, in seconds."""

    async def _wait(self, case: str | None, wanted: Wanted, timeout: float) -> list[Entry]:
        entries, happened = await self._until(case, wanted, timeout)
        if not happened:
            raise self._late(case, wanted, timeout, entries)
        return entries

    def _late(self, case: str | None, wanted: Wanted, timeout: float, entries: list[Entry]) -> Exception:
        return AssertionError(too_late(case, wanted, timeout, entries) + _shown(entries))


class AsyncAssertions(Claims):
    """Assertions about requests to the fakes. `case` None: about all requests. Times are in seconds.

    A failed one raises AssertionError with the timelines of the requests.
    """

    async def wait_ended(self, case: str | None = None, timeout: float = _WAIT_S) -> list[Entry]:
        """Wait until there is an entry and all have ended; return them."""
        return await self._wait(case, Wanted(ended=True), timeout)

    async def wait_tokens(self, case: str | None = None, tokens: int = 1, timeout: float = _WAIT_S) -> list[Entry]:
        """Wait until an entry has written that many tokens; return all."""
        return await self._wait(case, Wanted(tokens=tokens), timeout)

    async def wait_entries(self, case: str | None = None, count: int = 1, timeout: float = _WAIT_S) -> list[Entry]:
        """Wait until there are that many entries; return them."""
        return await self._wait(case, Wanted(entries=count), timeout)

    async def assert_cancelled(self, case: str | None = None, *, within: float = _WAIT_S) -> Entry:
        """Assert that the last request's client hung up before the reply's end, within `within` seconds from now.

        Returns the entry: `tokens` is how many tokens had been sent, `hangup_after` the seconds between the last
        write and the hang-up.
        """
        return _cancelled(case, *await self._until(case, Wanted(ended=True), within), within)

    async def assert_completed(self, case: str | None = None, *, within: float = _WAIT_S) -> Entry:
        """Assert that the last request was answered completely, within `within` seconds from now."""
        return _completed(case, *await self._until(case, Wanted(ended=True), within), within)

    async def assert_retried(
        self, case: str | None = None, times: int = 1, *, at_least: float = 0.0, within: float = _WAIT_S
    ) -> list[float]:
        """Assert exactly that many retries, none sooner than `at_least` seconds; return the gaps of `retries`."""
        wanted = Wanted(True, entries=times + 1)
        return _retried(case, *await self._until(case, wanted, within), times, at_least, within)

    async def assert_resilient(
        self,
        case: str | None = None,
        *,
        max_retries: int = ClientLimits.max_retries,
        read_timeout: float | None = None,
        backoff: float = ClientLimits.backoff,
        at_once: int = ClientLimits.at_once,
        ignore: Collection[str] = (),
        returned: str | None = None,
        within: float = 1.0,
    ) -> dict[ClientFault, int]:
        """Assert that the client under test did nothing wrong when its provider failed. Call it when its work is done.

        The limits are those of `ClientLimits`. `ignore`: faults not to look for. `returned`: the text that the client
        gave its caller as a whole answer, if it did. `within`: how long streams may still be open.

        Returns how often each fault could have been made: a rule with 0 has shown nothing.
        """
        entries, _ = await self._until(case, Wanted(ended=True), within)
        limits = ClientLimits(max_retries, backoff, at_once, read_timeout)
        return _resilient(case, Observed(entries, await self._now(), limits, returned), ignore)

    async def retries(self, case: str | None = None) -> list[float]:
        """The seconds from the end of each request to the arrival of the next: one number for each retry.

        Below 0 where the next request came before the end of this one.
        """
        return gaps(await self.entries(case))

    @abstractmethod
    async def entries(self, case: str | None = None) -> list[Entry]:
        """The entries, of one case if given, the oldest first."""


def blocking(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> Callable[Concatenate[Any, P], R]:
    """The same method for callers without an event loop. Whatever it awaits blocks, and never suspends."""

    @wraps(method)
    def call(self: Any, /, *args: P.args, **options: P.kwargs) -> R:
        running = method(self, *args, **options)
        try:
            running.send(None)
        except StopIteration as done:
            result: R = done.value
            return result
        raise RuntimeError(f"{method.__name__} waits for an event loop")

    return call


class Assertions(Claims):
    """`AsyncAssertions` for tests without an event loop. `_until` blocks."""

    wait_ended = blocking(AsyncAssertions.wait_ended)
    wait_tokens = blocking(AsyncAssertions.wait_tokens)
    wait_entries = blocking(AsyncAssertions.wait_entries)
    assert_cancelled = blocking(AsyncAssertions.assert_cancelled)
    assert_completed = blocking(AsyncAssertions.assert_completed)
    assert_retried = blocking(AsyncAssertions.assert_retried)
    assert_resilient = blocking(AsyncAssertions.assert_resilient)

    def retries(self, case: str | None = None) -> list[float]:
        """As `AsyncAssertions.retries`."""
        return gaps(self.entries(case))

    @abstractmethod
    def entries(self, case: str | None = None) -> list[Entry]:
        """The entries, of one case if given, the oldest first."""


def gaps(entries: Sequence[Entry]) -> list[float]:
    """Seconds between the end of each request (its arrival, while it runs) and the next one's arrival."""
    return [
        after.received - (before.received if before.ended_at is None else before.ended_at)
        for before, after in pairwise(entries)
    ]


def too_late(case: str | None, wanted: Wanted, timeout: float, entries: Sequence[Entry]) -> str:
    """One line: what was not seen in time, and what was seen."""
    seen = ", ".join(f"#{e.id} {e.ended or 'running'}, {e.tokens} tokens" for e in entries) or "no request"
    return f"no sign within {timeout:g} s that {_subject(case)} {wanted}; seen: {seen}"


def timeline(entry: Entry) -> str:
    """The request in a few lines, each with the milliseconds since its arrival."""
    asked = f"#{entry.id} {entry.provider} {entry.method} {entry.path}"
    script = f", script {entry.script}" if entry.script else ""
    case = f", case {entry.case}" if entry.case else ""
    lines = [f"{asked}{script}{case} -> {entry.status or 'no answer'}", _at(entry, entry.received, "request")]
    writes = [
        _at(
            entry,
            write.at,
            f"{write.bytes} bytes" + (f", {write.tokens} tokens {_text(write.text)}" * bool(write.tokens)),
        )
        for write in entry.writes
    ]
    hidden = len(writes) - 2 * _SHOWN_WRITES
    if hidden > 1:
        writes[_SHOWN_WRITES:-_SHOWN_WRITES] = [f"         … {hidden} writes more"]
    lines += writes
    if entry.ended is None or entry.ended_at is None:
        return "\n".join([*lines, f"         still running; {entry.tokens} tokens sent"])
    after = entry.hangup_after
    hung_up = f", hung up {after * 1000:.0f} ms after the last write" if after is not None else ""
    return "\n".join([*lines, _at(entry, entry.ended_at, f"{entry.ended}; {entry.tokens} tokens sent{hung_up}")])


def _cancelled(case: str | None, entries: list[Entry], ended: bool, within: float) -> Entry:
    if ended and entries[-1].hangup_after is not None:
        return entries[-1]
    raise AssertionError(f"nobody hung up on {_subject(case)} within {within:g} s: {_state(entries)}{_shown(entries)}")


def _completed(case: str | None, entries: list[Entry], ended: bool, within: float) -> Entry:
    if ended and entries[-1].ended == "completed":
        return entries[-1]
    raise AssertionError(
        f"{_subject(case)} was not answered whole within {within:g} s: {_state(entries)}{_shown(entries)}"
    )


def _retried(
    case: str | None, entries: list[Entry], ended: bool, times: int, at_least: float, within: float
) -> list[float]:
    found = gaps(entries)
    seen = f"{len(found)} retries" + (f" after {', '.join(f'{gap:.3f} s' for gap in found)}" if found else "")
    if not ended or len(found) != times:
        running = "" if ended or not entries or all(e.ended for e in entries) else ", and not all have ended"
        raise AssertionError(
            f"{_subject(case)} was to be retried {times} times within {within:g} s; seen: {seen}{running}"
            + _shown(entries)
        )
    if any(gap < at_least for gap in found):
        raise AssertionError(f"{_subject(case)} was retried sooner than {at_least:g} s; seen: {seen}{_shown(entries)}")
    return found


def _resilient(case: str | None, observed: Observed, ignore: Collection[str]) -> dict[ClientFault, int]:
    if not observed.entries:
        raise AssertionError(f"there was no request of {_subject(case)}: nothing can be said of the client")
    verdict = judge(observed, ignore)
    if not verdict.findings:
        return verdict.tried
    concerned = {entry.id: entry for finding in verdict.shown for entry in finding.entries}
    count = f"{len(verdict.findings)} finding{'s' * (len(verdict.findings) != 1)}"
    raise AssertionError(
        f"the client under test is not resilient: {count} in {len(observed.entries)} requests of {_subject(case)}\n"
        f"{verdict}{_shown(list(concerned.values()))}"
    )


def _subject(case: str | None) -> str:
    return f"case {case}" if case is not None else "any request"


def _state(entries: Sequence[Entry]) -> str:
    if not entries:
        return "there was no request"
    if (running := next((entry for entry in entries if entry.ended is None), None)) is not None:
        return f"#{running.id} still runs, {running.tokens} tokens sent"
    return f"the last one (#{entries[-1].id}) {entries[-1].ended}, {entries[-1].tokens} tokens sent"


def _shown(entries: Sequence[Entry]) -> str:
    shown = [timeline(entry) for entry in entries[-_SHOWN_ENTRIES:]]
    if len(entries) > _SHOWN_ENTRIES:
        shown.insert(0, f"({len(entries) - _SHOWN_ENTRIES} earlier requests)")
    return "".join("\n" + part for part in shown)


def _at(entry: Entry, when: float, what: str) -> str:
    return f"{(when - entry.received) * 1000:8.0f} ms  {what}"


def _text(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}…")
