"""The result of a run, as every report reads it."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chatproof import __version__
from chatproof.harness.protocol.requirements import OWN_API
from chatproof.harness.report.crash import Crash
from chatproof.harness.report.evidence import Evidence
from chatproof.harness.report.root_causes import Cause, root_causes
from chatproof.harness.report.situation_tally import SituationTally
from chatproof.harness.report.verdicts import Overall, Row, Verdict

ORDER = (Verdict.PASSED, Verdict.VIOLATED, Verdict.NOT_TESTABLE, Verdict.NOT_APPLICABLE, Verdict.HARNESS_ERROR)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """`titles` are those of the groups, `seconds` the run's duration, `began` its beginning with a time zone.

    `error` says why the run as a whole could not judge, or nothing. `stale`: a line for each known failure that now
    passes. `found`: causes that the run itself saw, which explain rows. `server_error`: the line of the server's own
    output that names an error. `command` judges the same server again, where that is known; `by_hand` are lines for a
    shell that start the server and the fakes as the suite did. `crashes`: those of the server. `contract`: the
    revision of the contract whose rows were judged. `situations`: what became of each covering array. `api`: what the
    server speaks.
    """

    target: str
    verdict: Overall
    rows: Sequence[Row]
    titles: Mapping[str, str]
    strict: bool = False
    seconds: float = 0.0
    began: datetime | None = None
    profiles: Sequence[str] = ()
    providers: Sequence[str] = ()
    evidence: Sequence[Evidence] = field(default=())
    error: str = ""
    stale: Sequence[str] = ()
    crashes: Sequence[Crash] = ()
    found: Sequence[Cause] = ()
    server_error: str = ""
    command: str = ""
    by_hand: str = ""
    contract: int = 1
    api: str = OWN_API
    situations: Sequence[SituationTally] = ()

    def command_for(self, row: Row) -> str:
        """The command that judges a row alone; nothing where none is known."""
        if not self.command or not is_bad(row):
            return ""
        provider = row.provider or next(iter(self.providers), "")
        return f"{self.command}{f' --provider {provider}' * bool(provider)} --only {row.requirement.id}"

    @property
    def told_api(self) -> str:
        """What the server speaks, in words; nothing where that is the API document's own."""
        return "" if self.api == OWN_API else f"api: {self.api}"

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Where to start: the root causes of all failures, the worst first."""
        return root_causes(self.rows, self.found, self.strict, self.server_error)

    @property
    def suite(self) -> str:
        """The suite's version and Python's."""
        return f"chatproof {__version__}, Python {platform.python_version()}"

    @property
    def counts(self) -> Counter[Verdict]:
        return count(self.rows)

    @property
    def groups(self) -> dict[str, list[Row]]:
        """The rows of each group, in the contract's order."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.requirement.group, []).append(row)
        return found

    def title(self, group: str) -> str:
        """A group's title without marks of Markdown."""
        return self.titles.get(group, "").replace("`", "")

    def shown(self, row: Row) -> list[Evidence]:
        """The exchanges that show a row; of a violated row those that violate it, if there are any."""
        name = row.requirement.id
        of_lane = [
            one for one in self.evidence if name in one.ids and (row.provider is None or one.lane == row.provider)
        ]
        violating = [one for one in of_lane if name in one.violated]
        return violating or of_lane


def count(rows: Iterable[Row]) -> Counter[Verdict]:
    """The rows of each verdict."""
    return Counter(row.verdict for row in rows)


def is_bad(row: Row) -> bool:
    """Whether the row was violated, could not be judged, or showed a fault of the suite."""
    return row.verdict in (Verdict.VIOLATED, Verdict.NOT_TESTABLE, Verdict.HARNESS_ERROR)


def is_tolerated(row: Row, strict: bool) -> bool:
    """The row is bad, and does not make the run fail: a SHOULD row, or a known failure."""
    return is_bad(row) and row.verdict is not Verdict.HARNESS_ERROR and not row.gates(strict)
