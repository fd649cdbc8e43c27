"""The hooks that tie the suite to pytest: selection, order, running, and what came of it."""

from __future__ import annotations

import signal
from collections.abc import Generator
from functools import cached_property, partial
from typing import Any

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.items import (
    BEHIND,
    arguments_of,
    body_of,
    ids_of,
    is_wanted,
    provider_of,
    uses_sockets,
    when_of,
)
from chatproof.conformance.suite.marks import When
from chatproof.conformance.suite.outcome import Outcome
from chatproof.conformance.suite.reporting import attach, evidence_of, keep, records_of
from chatproof.conformance.suite.runner import perform
from chatproof.conformance.suite.scheduler import Lanes, Planned
from chatproof.harness.common.configuration import configured
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report import failure_text, unwritable
from chatproof.harness.report.baseline import Baseline
from chatproof.harness.report.verdicts import Row, Verdict

SILENT_WAIT = 3.0  # seconds of waiting after which the run says what it waits for
OUTPUT = "chatproof"  # the key of what a worker of pytest-xdist sends at its end
ORDER = list(When)


class SuitePlugin:
    """One for each pytest session. Under pytest-xdist each worker has its own lanes and runs its tests in turn;
    the controller has none, and puts together what they found."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.contract = contract()
        self.lanes: Lanes | None = None
        self.outcome: Outcome | None = None
        self.worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._cases: dict[str, Case] = {}
        self._told: set[str] = set()
        self._items: list[pytest.Item] = []
        self._old_handler: Any = None
        self._is_open = self._has_begun = False

    @cached_property
    def settings(self) -> Settings:
        """What the options and the configuration file say. Raises ChatproofError."""
        config = self.config
        options = configured(vars(config.option), [config.invocation_params.dir, config.rootpath])
        return Settings.read(options, self.contract)

    def _new_outcome(self) -> Outcome:
        try:
            settings = self.settings
            return Outcome(settings, self.contract, Baseline.read(settings.baseline, self.contract))
        except ChatproofError as error:
            raise pytest.UsageError(f"chatproof: {error}") from error

    # -- what is run

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Where other processes run the tests, see at once that the settings make sense."""
        if self.config.pluginmanager.has_plugin("dsession"):
            self.outcome = self._new_outcome()

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of rows that need the provider for each provider."""
        if BEHIND not in metafunc.fixturenames:
            return
        try:
            providers = self.settings.providers
        except ChatproofError:
            return  # told once, after collection
        names = [name for marker in metafunc.definition.iter_markers("requirement") for name in marker.args]
        if len(providers) > 1 and any(name in self.contract and self.contract[name].needs_provider for name in names):
            metafunc.parametrize(BEHIND, providers, indirect=True)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Check every id, and leave out what does not apply."""
        ours = [item for item in items if body_of(item)]
        for item in ours:
            if unknown := [name for name in ids_of(item) if name not in self.contract]:
                raise pytest.UsageError(f"{item.nodeid}: no requirement has the id {', '.join(unknown)}")
            if not ids_of(item):
                raise pytest.UsageError(f"{item.nodeid}: names no requirement")
        if not ours or config.option.collectonly:
            return
        self.outcome = self._new_outcome()
        settings = self.settings
        share = (0, 1)
        if self.worker is not None:
            share = (int(self.worker["workerid"].removeprefix("gw")), int(self.worker["workercount"]))
        # a worker that takes a dead one's place has a number of its own
        self.lanes = Lanes(settings, self.contract, self._say, (share[0] % share[1], share[1]))
        tested = {name for item in ours for name in ids_of(item)}
        self.outcome.selected = [name for name in settings.selected(self.contract) if name in tested]
        self.outcome.facts = [run.facts for run in self.lanes.runs]
        kept = [item for item in ours if is_wanted(item, settings, self.contract)]
        left_out = [item for item in ours if item not in kept]
        kept.sort(key=lambda item: ORDER.index(when_of(item)))
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in ours] + kept
        self._items = kept

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Open the run before the first test. Where there is nothing to judge, no test is run."""
        if self.lanes is None or self.outcome is None or not self._items or session.testsfailed:
            return None
        self._old_handler = signal.signal(signal.SIGTERM, _interrupt)
        self.outcome.error = unwritable(self.settings)
        if not self.outcome.error:
            try:
                self.lanes.open()
                self._is_open = True
            except ChatproofError as error:
                self.outcome.error = str(error)
        if self.worker is not None:
            return None  # the controller wants an answer for each test
        return True if self.outcome.error or self.outcome.unfit else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a test of the suite, or wait for it where it has begun."""
        body = body_of(pyfuncitem)
        if body is None or self.lanes is None or self.outcome is None:
            return None
        if reason := self._why_not(pyfuncitem):
            pytest.skip(reason)
        if self.worker is None and not self._has_begun:
            self._begin_all(self.lanes)
        case = self.case(pyfuncitem)
        try:
            if self.worker is None:
                self.lanes.do(self.lanes.ended(pyfuncitem.nodeid, SILENT_WAIT))
            else:
                self.lanes.do(perform(case, body, arguments_of(pyfuncitem, case)))
        finally:
            keep(pyfuncitem, case)
            self._told.add(pyfuncitem.nodeid)
        if self.lanes.stopped and self.worker is None:
            pyfuncitem.session.shouldstop = self.lanes.stopped
        self._tell(case)
        return True

    def can_ask(self, item: pytest.Item) -> bool:
        """Whether there is a server for a test."""
        return self.lanes is not None and not self._why_not(item)

    def _why_not(self, item: pytest.Item) -> str:
        assert self.lanes is not None
        assert self.outcome is not None
        if not self._is_open:
            return self.outcome.error or "a part of the suite could not be collected"
        run = self.lanes[provider_of(item)]
        if reason := self.outcome.unfit or run.facts.unfit or run.facts.set_aside:
            return reason
        rows = ids_of(item)
        reasons = [run.why_not(name) for name in rows]
        # it asks in the ways of all its rows, so a server that lacks one of those ways is not asked
        return next(filter(None, map(run.undeclared, rows)), "") or (reasons[0] if all(reasons) else "")

    def case(self, item: pytest.Item) -> Case:
        """The case of a test, the same for its fixtures, its body and its report."""
        if item.nodeid not in self._cases:
            assert self.lanes is not None
            run = self.lanes[provider_of(item)]
            self._cases[item.nodeid] = Case(run, item.nodeid, tuple(ids_of(item)), run.pacer.addresses.fresh())
        return self._cases[item.nodeid]

    def _begin_all(self, lanes: Lanes) -> None:
        planned = []
        for item in self._items:
            body, run = body_of(item), lanes[provider_of(item)]
            if body and not self._why_not(item):
                case = self.case(item)
                work = partial(perform, case, body, arguments_of(item, case))
                sockets = uses_sockets(item, self.contract)
                planned.append(Planned(item.nodeid, run, when_of(item), sockets, work))
        lanes.begin(planned)
        self._has_begun = True

    def _say(self, text: str) -> None:
        if reporter := self.config.pluginmanager.get_plugin("terminalreporter"):
            reporter.ensure_newline()
            reporter.write_line(f"chatproof: {text}")

    def _tell(self, case: Case) -> None:
        assert self.outcome is not None
        strict, baseline = self.settings.strict, self.outcome.baseline
        rows = baseline.applied(Row(self.contract[one.id], one.verdict, provider=one.provider) for one in case.records)
        bad = [
            record
            for record, row in zip(case.records, rows, strict=True)
            if (row.gates(strict) and not record.weak) or record.verdict is Verdict.HARNESS_ERROR
        ]
        if bad:
            pytest.fail(failure_text(bad), pytrace=False)
        if not case.records or all(record.verdict is Verdict.NOT_APPLICABLE for record in case.records):
            pytest.skip(case.run.no_provider)

    # -- what came of it

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send along what a test found."""
        report = yield
        attach(item, report)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test found, also from another process."""
        if self.outcome:
            self.outcome.add(records_of(report), evidence_of(report))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """Collect what a process knows that ran some of the tests. What one knew that died is lost."""
        if self.outcome and error:
            self.outcome.error = f"a worker process died ({error}); what it had found is not known"
        if self.outcome and OUTPUT in (getattr(node, "workeroutput", None) or {}):
            self.outcome.merge(node.workeroutput[OUTPUT])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the run, write the reports, and set the exit code."""
        if self.lanes:
            if not self.lanes.stopped and exitstatus == pytest.ExitCode.INTERRUPTED and self.outcome:
                self.outcome.error = self.outcome.error or "the run was interrupted"
            over = [case for name, case in self._cases.items() if self.lanes.has_ended(name) and name not in self._told]
            self.lanes.close()
            if self.outcome:
                for case in over:  # pytest stopped before it came to them
                    self.outcome.add(case.records, case.evidence)
        if self._old_handler is not None:
            signal.signal(signal.SIGTERM, self._old_handler)
        outcome = self.outcome
        if outcome is None:
            return
        if self.worker is not None:
            self.config.workeroutput[OUTPUT] = outcome.to_json()  # type: ignore[attr-defined]  # xdist's
            return
        if self.lanes and not self._items and self.settings.only:
            outcome.error = f"none of {', '.join(sorted(self.settings.only))} applies to this run"
        if exitstatus in (0, 1, 2, 5):  # not where pytest itself was misused or is broken
            session.exitstatus = outcome.finish()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, the remarks and the verdict."""
        if self.outcome and self.worker is None:
            self.outcome.show(terminalreporter)


def _interrupt(number: int, frame: object) -> None:
    """SIGTERM ends a run as Ctrl-C does, so that nothing that it started outlives it."""
    raise KeyboardInterrupt
