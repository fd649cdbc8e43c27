"""How late a machine's own timers were. Late timers mean a busy machine, which makes every server late."""

from __future__ import annotations

from dataclasses import dataclass

from chatproof.harness.protocol.checks.perf import percentile
from chatproof.harness.protocol.findings import Late

HOPS = 3  # processes that a token passes: provider, server, client; each can be as late as the timers were
NOTICEABLE = 0.01  # seconds; timers are this late on an idle machine as well
LOADED = 0.02  # seconds; timers that are so late again and again mean a machine with more work than processors


@dataclass(frozen=True, slots=True)
class Lateness:
    """Seconds by which timers fired late while something was measured: those of the suite, and those that paced the
    provider's writes. Empty where nothing is known."""

    suite: tuple[float, ...] = ()
    provider: tuple[float, ...] = ()

    def at(self, percent: int = 100) -> float:
        """The lateness in seconds that `percent` of 100 timers of the suite kept within, or the provider's if more."""
        return max((percentile(sorted(one), percent) for one in (self.suite, self.provider) if one), default=0.0)

    def excuses(self, late: Late | None) -> bool:
        """Whether a machine this busy can have caused the miss of a bound alone, whatever the server did."""
        if late is None or (found := self.at(late.percent)) < NOTICEABLE:
            return False
        return late.seconds <= max(HOPS * found, late.starved if found >= LOADED else 0.0)

    def __str__(self) -> str:
        mine, theirs = (max(one, default=0.0) * 1000 for one in (self.suite, self.provider))
        return (
            f"this machine was busy: the suite's timers were up to {mine:.0f} ms late, the provider's {theirs:.0f} ms"
        )
