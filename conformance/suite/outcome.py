"""The result of a run: rows, one verdict, the reports and the exit code. Tests may have run in other processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from chatproof.conformance.suite.lane_state import LaneState
from chatproof.conformance.suite.run_causes import run_causes
from chatproof.conformance.suite.suite_tests import SuiteTest
from chatproof.harness.common.check_command import check_command
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import Contract, Profile, Requirement
from chatproof.harness.report import RunSummary, remarks, situations, start_here, table, verdict_line, write_reports
from chatproof.harness.report.baseline import Baseline
from chatproof.harness.report.baseline_file import written
from chatproof.harness.report.evidence import Evidence
from chatproof.harness.report.github_actions import add_step_summary, annotated, is_github
from chatproof.harness.report.verdicts import ExitCode, Ledger, Overall, Record, Row, Verdict, overall

CODES = {Overall.PASS: ExitCode.PASS, Overall.FAIL: ExitCode.FAIL, Overall.ERROR: ExitCode.ERROR}
COLORS = {Overall.PASS: "green", Overall.FAIL: "red", Overall.ERROR: "red"}


@dataclass(slots=True)
class Outcome:
    """`lanes` holds what is known of each lane, `selected` the ids of the rows to report. `error` is why the run as a
    whole could not judge, or nothing. `notes`: lines about files that were written at the end."""

    settings: Settings
    contract: Contract
    baseline: Baseline
    lanes: list[LaneState] = field(default_factory=list)
    selected: list[str] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    error: str = ""
    ledger: Ledger = field(init=False)
    finished: RunSummary | None = None
    notes: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _began: datetime = field(default_factory=lambda: datetime.now().astimezone())

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.contract)

    @classmethod
    def of(cls, settings: Settings, contract: Contract) -> Outcome:
        """The outcome of a run that has not begun. Raises ChatproofError: the baseline cannot be read."""
        own = settings.write_baseline
        path = settings.baseline or (own if own and own.exists() else None)
        return cls(settings, contract, Baseline.read(path, contract))

    def select(self, tests: Iterable[SuiteTest], lanes: list[LaneState]) -> None:
        """Note which tests exist, which decides the rows to report, and the lanes."""
        tested = {name for test in tests for name in test.ids}
        self.selected = [name for name in self.settings.selected(self.contract) if name in tested]
        self.lanes = lanes

    def add(self, records: Iterable[Record], evidence: Iterable[Evidence]) -> None:
        """Take the records and the evidence of a test."""
        self.ledger.add(records)
        self.evidence += evidence

    # -- across processes

    def to_json(self) -> dict[str, Any]:
        """What the controller needs from a worker beside the tests' own reports."""
        return {"lanes": [asdict(one) for one in self.lanes], "selected": self.selected, "error": self.error}

    def merge(self, data: dict[str, Any]) -> None:
        """Take what a worker of pytest-xdist knows."""
        self.selected = self.selected or data["selected"]
        self.error = self.error or data["error"]
        theirs = [LaneState.from_json(one) for one in data["lanes"]]
        if not self.lanes:
            self.lanes = theirs
            return
        for ours, other in zip(self.lanes, theirs, strict=True):
            ours.url, ours.by_hand = ours.url or other.url, ours.by_hand or other.by_hand
            ours.has_provider |= other.has_provider
            ours.unfit, ours.stopped = ours.unfit or other.unfit, ours.stopped or other.stopped
            ours.crashes += other.crashes
            ours.situations |= other.situations
            ours.unseen, ours.set_aside = ours.unseen or other.unseen, ours.set_aside or other.set_aside
            ours.error_line = ours.error_line or other.error_line
            if other.missing:
                ours.missing, ours.no_provider, ours.advice = True, other.no_provider, other.advice

    # -- judging

    @property
    def url(self) -> str:
        """How the report names the server."""
        return (self.lanes[0].url if self.lanes else "") or self.settings.base_url or str(self.settings.start)

    @property
    def unfit(self) -> str:
        """Why the server is no chat server at all, or nothing."""
        return self.lanes[0].unfit if self.lanes else ""

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers with which rows are judged."""
        if not self.settings.has_provider:
            return ()
        aside = {one.name for one in self.lanes if one.set_aside}
        return tuple(name for name in self.settings.providers if name not in aside)

    def summary(self) -> RunSummary:
        """All selected rows with their verdicts, the stale known failures, and the one verdict."""
        rows = self.baseline.applied(self.ledger.rows(self.selected, self._absent, self.providers))
        stale = [] if self.settings.write_baseline else self.baseline.stale(rows)  # the file that is written lacks them
        crashes = [crash for lane in self.lanes if not lane.set_aside for crash in lane.crashes]
        known = {row.requirement.id for row in rows if row.known}
        crashed = any(crash.row not in known for crash in crashes)
        return RunSummary(
            target=self.url,
            verdict=Overall.ERROR if self.error else overall(rows, self.settings.strict, stale, crashed),
            rows=rows,
            titles=self.contract.titles,
            strict=self.settings.strict,
            seconds=time.monotonic() - self._started,
            began=self._began,
            profiles=[one.value for one in Profile if one in self.settings.profiles],
            providers=[one.name for one in self.lanes if one.has_provider],
            evidence=self.evidence,
            error=self.error or self.unfit,
            stale=stale,
            command=check_command(self.settings),
            by_hand=self.lanes[0].by_hand if self.lanes else "",
            found=tuple(run_causes(self.lanes, self.error)),
            server_error=next((one.error_line for one in self.lanes if one.error_line), ""),
            crashes=crashes,
            situations=[one for lane in self.lanes for one in lane.situations.values()],
            api=self.settings.api.name,
            contract=self.settings.contract or self.contract.revision,
        )

    def failures(self, records: Iterable[Record]) -> list[Record]:
        """The records that make their test fail: harness errors, and violations that make the run fail."""
        found = list(records)
        rows = self.baseline.applied(Row(self.contract[one.id], one.verdict, provider=one.provider) for one in found)
        return [
            record
            for record, row in zip(found, rows, strict=True)
            if (row.gates(self.settings.strict) and not record.weak) or record.verdict is Verdict.HARNESS_ERROR
        ]

    def _absent(self, row: Requirement, provider: str | None) -> Record:
        first = next(iter(self.lanes), LaneState(""))
        lane = next((one for one in self.lanes if one.name == provider), first)
        return lane.absent(row.id, self.settings, self.contract)

    # -- telling

    def finish(self) -> ExitCode:
        """Build the summary, write the reports, and give the exit code."""
        self.finished = self.summary()
        problems = write_reports(self.settings, self.finished)
        if self.settings.write_baseline:
            try:
                self.notes += self._write_baseline(self.settings.write_baseline, self.finished)
            except ChatproofError as error:
                problems.append(f"--write-baseline: {error}")
        if is_github(os.environ) and (problem := add_step_summary(self.finished, os.environ)):
            self.notes.append(problem)
        if problems:
            self.error = self.error or "; ".join(problems)
            return ExitCode.ERROR
        return CODES[self.finished.verdict]

    def _write_baseline(self, path: Path, summary: RunSummary) -> list[str]:
        """Write it, and give lines that say what it holds now."""
        if summary.verdict is Overall.ERROR or summary.error:
            return [f"{path} is not written: this run could not judge the server"]
        before = self.baseline.path
        try:
            old = before.read_text(encoding="utf-8-sig") if before else ""
            new = written(summary.rows, self.baseline, self.contract, old, self.settings.strict)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new.text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise ChatproofError(f"cannot write {path}: {error.strerror}") from error
        return new.told(path)

    def show(self, write: Callable[..., None], is_short: bool = False) -> None:
        """Print the root causes, the counts, the remarks and the verdict.

        Args:
            write: prints a line; its keywords are pytest's marks.
            is_short: leave out the counts of the groups.
        """
        summary = self.finished or self.summary()
        for line in annotated(summary) if is_github(os.environ) else ():
            write(line)
        if self.error and not self.ledger.records:
            write(f"chatproof: ERROR {self.error}", red=True)
            return
        if self.unfit:
            write(f"chatproof: FAIL {self.unfit}", red=True)
            return
        for line in start_here(summary.causes):
            write(line, bold=not line.startswith(" "))
        if not is_short:
            write("")
            for line in table(summary):
                write(line)
        if len(self.providers) > 1:
            write(f"rows that need the provider are counted for each: {', '.join(self.providers)}")
        if not is_short:
            write("")
        for line in [*remarks(summary.rows), *situations(summary)]:
            write(line)
        for line in self.notes:
            write(f"chatproof: {line}")
        for line in summary.stale:
            write(f"chatproof: {line}", red=True)
        if self.error:
            write(f"chatproof: ERROR {self.error}", red=True, bold=True)
            return
        write(verdict_line(summary), **{COLORS[summary.verdict]: True, "bold": True})
