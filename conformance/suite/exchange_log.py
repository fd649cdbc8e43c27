"""The exchanges of one test: what was sent, which of them a report draws, and what the provider wrote for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from chatproof.conformance.suite.provider import Upstream
from chatproof.fake_providers.journal.control_client import FakesError
from chatproof.fake_providers.journal.entry import Entry
from chatproof.harness.protocol.checks.pass_through import ProviderWrite
from chatproof.harness.protocol.sent import Sent, that_belong_to
from chatproof.harness.protocol.transcript import Transcript
from chatproof.harness.report.evidence import (
    FEW_POINTS,
    MOST_POINTS,
    Evidence,
    ProviderRequest,
    SeenExchange,
    evidence,
)
from chatproof.harness.report.repetition import IN_COMPANY, SEEN_UPSTREAM, by_hand, journal

VIOLATING, JUDGED, ASKED = 4, 2, 2  # the most exchanges kept of one test
MOST_DRAWN = 60_000  # points in all pictures of a lane, after which pictures are smaller
PATIENCE = 5.0  # seconds to wait for the journal, for each exchange


@dataclass(slots=True)
class Drawn:
    """How many points the pictures of a lane have so far."""

    points: int = 0

    @property
    def most(self) -> int:
        """The points of each kind that the next picture may have."""
        return MOST_POINTS if self.points < MOST_DRAWN else FEW_POINTS


@dataclass(slots=True)
class ExchangeLog:
    """The exchanges of one test. With `wanted` false only what was sent is kept, since no report is drawn."""

    wanted: bool
    violating: list[SeenExchange] = field(default_factory=list)
    judged: list[SeenExchange] = field(default_factory=list)
    asked: list[SeenExchange] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def ask(self, transcript: Transcript) -> None:
        """Note an exchange that has begun. It is drawn only if the test judges no transcript."""
        if transcript.sent:
            self.sent.append(transcript.sent)
        if self.wanted and len(self.asked) < ASKED:
            self.asked.append(SeenExchange(transcript))

    def keeps(self, transcript: Transcript | None, requirement_id: str) -> None:
        """Note that an exchange keeps a row, or cannot show it."""
        if self.wanted and transcript is not None:
            if (one := self._of(transcript)) is None:
                one = SeenExchange(transcript)
                if len(self.judged) < JUDGED:
                    self.judged.append(one)
            one.ids[requirement_id] = None

    def violates(self, transcript: Transcript | None, requirement_id: str, at: float | None) -> None:
        """Note that an exchange violates a row. `at`: when, in seconds, or None."""
        if not self.wanted or transcript is None:
            return
        one = self._of(transcript) or SeenExchange(transcript)
        one.ids[requirement_id] = None
        one.spots.append((requirement_id, at))
        if one in self.judged:
            self.judged.remove(one)
        if one not in self.violating and len(self.violating) < VIOLATING:
            self.violating.append(one)

    def repeat(self, requirement_id: str, transcript: Transcript | None, provider: Upstream | None) -> str:
        """Lines for a shell that send an exchange again, with what it needs before it, and show what became of it;
        nothing where those would not show that the row is violated."""
        if transcript is None or transcript.sent is None or requirement_id in IN_COMPANY:
            return ""
        if provider and provider.played.get(transcript.case) in provider.own:
            return ""  # only this run's fakes have its script
        lines = by_hand(that_belong_to(transcript.sent, self.sent))
        if lines and provider and transcript.case and requirement_id in SEEN_UPSTREAM:
            lines += f"\n{journal(provider.fakes.url, transcript.case)}"
        return lines

    def _of(self, transcript: Transcript) -> SeenExchange | None:
        return next((one for one in (*self.violating, *self.judged) if one.transcript is transcript), None)

    async def gather(
        self, test: str, ids: Iterable[str], provider: Upstream | None, lane: str | None, drawn: Drawn
    ) -> list[Evidence]:
        """The evidence of the test, with the provider's side from its journal. If the journal does not answer, the
        evidence lacks that side and the verdict stands."""
        if not (shown := [*self.violating, *self.judged]):
            shown = self.asked
            for one in shown:
                one.ids.update(dict.fromkeys(ids))
        found: list[Evidence] = []
        for one in shown:
            asked = await _asked(provider, one.transcript)
            read = None if asked is None else time.monotonic()
            found.append(evidence(test, one, asked or (), lane, read, drawn.most))
            drawn.points += found[-1].points
        self.violating, self.judged, self.asked, self.sent = [], [], [], []
        return found


async def _asked(provider: Upstream | None, reply: Transcript) -> list[ProviderRequest] | None:
    """The provider's requests for a reply; None where they cannot be known."""
    if provider is None or not reply.case:
        return None
    try:
        async with asyncio.timeout(PATIENCE):
            entries = await provider.entries(reply)
    except (FakesError, TimeoutError):
        return None
    return [_in_our_clock(provider, entry) for entry in entries]


def _in_our_clock(provider: Upstream, entry: Entry) -> ProviderRequest:
    return ProviderRequest(
        provider=entry.provider,
        script=entry.script or "",
        status=entry.status,
        received=provider.local(entry.received),
        writes=[ProviderWrite(provider.local(one.at), one.text, one.bytes, one.tokens) for one in entry.writes],
        ended=entry.ended,
        ended_at=None if entry.ended_at is None else provider.local(entry.ended_at),
    )
