"""How far a run has come, in one line: what runs, and what has failed so far."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from chatproof.harness.protocol.excerpts import CUT
from chatproof.harness.protocol.requirements import HURTS, Contract

MOST = 5  # rows that are named


@dataclass(slots=True)
class Progress:
    """Counts of one run. `total`: its tests; `failed`: the ids of rows that have failed so far."""

    contract: Contract
    total: int = 0
    failed: dict[str, None] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)

    def ended(self, name: str, failed: Iterable[str]) -> None:
        """Count a test that is over, with the ids of the rows that failed in it."""
        self._over.add(name)
        self.failed.update(dict.fromkeys(failed))

    def knows(self, name: str) -> bool:
        """Whether a test was counted."""
        return name in self._over

    def line(self, running: Iterable[str] = ()) -> str:
        """The line. `running`: the ids of the rows under way."""
        worst = sorted(self.failed, key=lambda name: HURTS.index(self.contract[name].hurts))
        parts = [f"{len(self._over)} of {self.total} tests in {time.monotonic() - self._began:.0f} s"]
        parts.append(f"failed so far: {_few(worst)}" if worst else "no failure so far")
        if under_way := list(dict.fromkeys(running)):
            parts.append(f"running: {_few(under_way)}")
        return "; ".join(parts)


def _few(names: list[str]) -> str:
    return ", ".join(names[:MOST]) + (f" {CUT} {len(names)} rows" if len(names) > MOST else "")
