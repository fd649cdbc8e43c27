"""The suite's pytest plugin: it selects, orders and runs the tests, and writes the reports."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from functools import cached_property
from typing import Any, Final

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.interrupts import Interrupts
from chatproof.conformance.suite.outcome import Outcome
from chatproof.conformance.suite.progress import Progress
from chatproof.conformance.suite.reporting import attach, evidence_of, explained, forget, keep, records_of
from chatproof.conformance.suite.scheduler import Scheduler
from chatproof.conformance.suite.short_output import ShortOutput
from chatproof.conformance.suite.suite_tests import BEHIND, SuiteTest, from_item, in_order, providers_of
from chatproof.harness.common.check_command import check_command
from chatproof.harness.common.configuration import configured
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.options import given
from chatproof.harness.common.redaction import clipped, redacted
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report import failure_text, unwritable
from chatproof.harness.report.verdicts import Verdict

LONGEST_ERROR = 500  # characters
SILENT_WAIT = 3.0  # seconds of waiting after which the run says what it waits for
OUTPUT = "chatproof"  # the key of what a worker of pytest-xdist sends at its end


class SuitePlugin:
    """The plugin of one pytest session. Each worker of pytest-xdist has its own lanes and runs its tests one after the
    other; the controller only collects what they found."""

    NAME: Final = "chatproof-suite"

    @classmethod
    def register(cls, config: pytest.Config) -> None:
        """Register the hooks, once."""
        if not config.pluginmanager.has_plugin(cls.NAME):
            config.pluginmanager.register(cls(config), cls.NAME)

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.contract = contract()
        self.scheduler: Scheduler | None = None
        self.outcome: Outcome | None = None
        self.progress = Progress(self.contract)
        self.worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._tests: dict[str, SuiteTest] = {}
        self._told: set[str] = set()
        self._interrupts = Interrupts()
        self._watch: asyncio.Task[None] | None = None
        self._is_open = self._has_begun = False

    @cached_property
    def settings(self) -> Settings:
        """What the options and the configuration file say. Raises ChatproofError."""
        config = self.config
        options = configured(given(vars(config.option)), [config.invocation_params.dir, config.rootpath])
        return Settings.read(options, self.contract)

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        try:
            import uvloop  # a quarter less CPU time, on a machine that the server shares
        except ImportError:
            return asyncio.new_event_loop()
        return uvloop.new_event_loop()

    def _new_outcome(self) -> Outcome:
        try:
            return Outcome.of(self.settings, self.contract)
        except ChatproofError as error:
            raise pytest.UsageError(f"chatproof: {error}") from error

    # -- what is run

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """In the controller of pytest-xdist, check the settings before any worker starts."""
        if self.config.pluginmanager.has_plugin("dsession"):
            self.outcome = self._new_outcome()
            self._interrupts.take()

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test of rows that need the provider once with each provider."""
        if BEHIND not in metafunc.fixturenames:
            return
        ids = [name for marker in metafunc.definition.iter_markers("requirement") for name in marker.args]
        try:
            providers = providers_of(ids, self.settings, self.contract)
        except ChatproofError:
            return  # reported once, after collection
        if providers:
            metafunc.parametrize(BEHIND, providers, indirect=True)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Check every id, and deselect the tests that this run does not need."""
        ours = {item: test for item in items if (test := from_item(item))}
        for test in ours.values():
            if unknown := [name for name in test.ids if name not in self.contract]:
                raise pytest.UsageError(f"{test.name}: no requirement has the id {', '.join(unknown)}")
            if not test.ids:
                raise pytest.UsageError(f"{test.name}: names no requirement")
        if not ours or config.option.collectonly:
            return
        self.outcome = self._new_outcome()
        settings = self.settings
        share = (0, 1)
        if self.worker is not None:
            share = (int(self.worker["workerid"].removeprefix("gw")), int(self.worker["workercount"]))
        # a worker that replaces a dead one has a new, higher number
        self.scheduler = Scheduler(settings, self.contract, self._say, (share[0] % share[1], share[1]))
        self.outcome.select(list(ours.values()), [lane.state for lane in self.scheduler.lanes])
        kept = in_order([test for test in ours.values() if test.is_wanted(settings, self.contract)])
        self._tests = {test.name: test for test in kept}
        by_name = {item.nodeid: item for item in ours}
        config.hook.pytest_deselected(items=[item for name, item in by_name.items() if name not in self._tests])
        items[:] = [item for item in items if item not in ours] + [by_name[name] for name in self._tests]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Open the lanes before the first test. If there is no server to judge, run no test."""
        if self.scheduler is None or self.outcome is None or not self._tests or session.testsfailed:
            return None
        self._interrupts.take()
        self.outcome.error = unwritable(self.settings)
        if not self.outcome.error:
            if short := ShortOutput.of(self.config):
                short.state("the server starts")
            try:
                self._do(self.scheduler.open())
                self._is_open = True
            except ChatproofError as error:
                self.outcome.error = str(error)
            except Exception as error:  # the suite's own fault, which must not cost the reports
                self.outcome.error = clipped(f"the suite failed: {type(error).__name__}: {error}", LONGEST_ERROR)
        if self.worker is not None:
            return None  # the controller expects a report of each test
        if self._nothing_to_judge and not self.outcome.error:
            about_asks = [item for item in session.items if "REQ-01" in self._ids(item)]
            session.items[:] = (about_asks or session.items)[:1]  # it fails, so that JUnit's XML says why
        return True if self.outcome.error else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a test of the suite, or wait for it if the scheduler has begun it."""
        test = self._tests.get(pyfuncitem.nodeid)
        if test is None or self.scheduler is None:
            return None
        if self.worker is None and not self._has_begun and (reason := self._nothing_to_judge):
            explained(pyfuncitem)
            pytest.fail(redacted(reason), pytrace=False)
        if reason := self._why_not(test):
            pytest.skip(reason)
        short = ShortOutput.of(self.config)
        if self.worker is None and not self._has_begun:
            wanted = [one for one in self._tests.values() if not self._why_not(one)]
            self._do(self.scheduler.begin(wanted))
            self._has_begun, self.progress.total = True, len(wanted)
            if short:
                self._watch = self._loop.create_task(self._tell_progress(short))
        try:
            if self.worker is None:
                self._do(self.scheduler.ended(test.name, None if short else SILENT_WAIT))
            else:
                self._do(self.scheduler.run(test))
        finally:
            case = self.scheduler.case(test)
            keep(pyfuncitem, case)
            case.evidence = []  # it has gone into the report, which is once enough
            self._told.add(test.name)
        if self.scheduler.stopped and self.worker is None:
            pyfuncitem.session.shouldstop = self.scheduler.stopped
        self._tell(case)
        return True

    def case(self, item: pytest.Item) -> Case | None:
        """The case of a pytest item; None where the item is no test of the suite, or no server can be asked."""
        test = self._tests.get(item.nodeid)
        if test is None or self.scheduler is None or self._why_not(test):
            return None
        return self.scheduler.case(test)

    @property
    def _nothing_to_judge(self) -> str:
        """Why no row can be judged, though there is a server, or nothing."""
        assert self.scheduler is not None
        assert self.outcome is not None
        return self.outcome.unfit or self.scheduler.stopped

    def _ids(self, item: pytest.Item) -> tuple[str, ...]:
        test = self._tests.get(item.nodeid)
        return test.ids if test else ()

    def _why_not(self, test: SuiteTest) -> str:
        assert self.scheduler is not None
        assert self.outcome is not None
        if not self._is_open:
            return self.outcome.error or "pytest could not collect a part of the suite"
        return self.scheduler.why_not(test)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on the suite's own event loop. Tests that have begun go on meanwhile."""
        self._loop.run_until_complete(work)

    async def _tell_progress(self, short: ShortOutput) -> None:
        """Say how far the run has come, again and again, until this is cancelled."""
        assert self.scheduler is not None
        assert self.outcome is not None
        while True:
            for name, case in self.scheduler.cases.items():
                if self.scheduler.has_ended(name) and not self.progress.knows(name):
                    self.progress.ended(name, [one.id for one in self.outcome.failures(case.records)])
            short.state(self.progress.line(self.scheduler.under_way))
            await asyncio.sleep(short.pause)

    def _say(self, text: str) -> None:
        if short := ShortOutput.of(self.config):
            short.say(f"chatproof: {text}")
        elif reporter := self.config.pluginmanager.get_plugin("terminalreporter"):
            reporter.ensure_newline()
            reporter.write_line(f"chatproof: {text}")

    def _tell(self, case: Case) -> None:
        assert self.outcome is not None
        if bad := self.outcome.failures(case.records):
            pytest.fail(failure_text(bad, check_command(self.settings)), pytrace=False)
        if not case.records or all(record.verdict is Verdict.NOT_APPLICABLE for record in case.records):
            pytest.skip(case.lane.state.no_provider)

    # -- what came of it

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach to pytest's report what the test found."""
        report = yield
        attach(item, report)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test found, also in another process."""
        if self.outcome:
            self.outcome.add(records_of(report), evidence_of(report))
            if report.when == "call" and self.scheduler is None and (short := ShortOutput.of(self.config)):
                # in the controller of pytest-xdist
                self.progress.ended(report.nodeid, [one.id for one in self.outcome.failures(records_of(report))])
                short.state(self.progress.line())
            if self.worker is None:
                forget(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """Collect what a worker knows. If a worker died, what it knew is lost and the run is an error."""
        if self.outcome and error:
            self.outcome.error = f"a worker process died ({error}), and what it had found is lost"
        if self.outcome and OUTPUT in (getattr(node, "workeroutput", None) or {}):
            self.outcome.merge(node.workeroutput[OUTPUT])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the lanes, write the reports, and set the exit code."""
        if scheduler := self.scheduler:
            if not scheduler.stopped and exitstatus == pytest.ExitCode.INTERRUPTED and self.outcome:
                self.outcome.error = self.outcome.error or "the run was interrupted"
            over = [case for name, case in scheduler.cases.items() if scheduler.has_ended(name)]
            self._do(scheduler.close())
            if self.outcome:
                for case in over:
                    if case.name not in self._told:  # pytest stopped before it came to it
                        self.outcome.add(case.records, case.evidence)
            self._close_loop()
        if (outcome := self.outcome) is None:
            return
        if self.worker is not None:
            self.config.workeroutput[OUTPUT] = outcome.to_json()  # type: ignore[attr-defined]  # xdist's
            return
        is_cut = exitstatus == pytest.ExitCode.INTERRUPTED and not any(lane.stopped for lane in outcome.lanes)
        if self.scheduler is None and is_cut:
            outcome.error = outcome.error or "the run was interrupted"
        if self.scheduler and not self._tests and self.settings.only:
            outcome.error = f"none of {', '.join(sorted(self.settings.only))} applies to this run"
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            outcome.error = outcome.error or "pytest itself failed, with an INTERNALERROR"
        if exitstatus != pytest.ExitCode.USAGE_ERROR:
            session.exitstatus = outcome.finish()

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """The run is over, with all that it prints."""
        self._interrupts.give_back()

    def _close_loop(self) -> None:
        self._do(_cancel_all())
        self._do(self._loop.shutdown_asyncgens())
        self._do(self._loop.shutdown_default_executor())
        self._loop.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the root causes, the counts and the verdict."""
        if self.outcome is None or self.worker is not None:
            return
        if short := ShortOutput.of(self.config):
            short.finish(self.outcome)
            return
        terminalreporter.section("chatproof", sep="=")
        self.outcome.show(terminalreporter.write_line)


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
