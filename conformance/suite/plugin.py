"""The hooks that tie the suite to pytest: selection, order, running, verdicts."""

from __future__ import annotations

import asyncio
import signal
import time
import traceback
from typing import Any

import pytest

from conformance.suite.case import Case
from conformance.suite.items import arguments_of, body_of, ids_of, parameters_of, when_of
from conformance.suite.marks import TestBody, When
from conformance.suite.reasons import NotApplicable, NotTestable
from conformance.suite.run import Run
from fake_providers.client import FakesError
from harness.errors import ChatproofError
from harness.protocol.requirements import Profile, contract
from harness.protocol.transcript import Transport
from harness.reports import as_json, remarks, table, verdict_line, write_json
from harness.settings import DECLARABLE, Settings
from harness.verdicts import ExitCode, Ledger, Overall, Record, Row, Verdict, overall

RECORDS = "chatproof"  # the key of a test's records among its report's properties
TEST_TIMEOUT = 240.0  # seconds; a test's own deadlines end it long before
SILENT_WAIT = 3.0  # seconds of waiting after which the run says what it waits for


class SuitePlugin:
    """One for each pytest session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.contract = contract()
        self.ledger = Ledger(self.contract)
        self.run: Run | None = None
        self.error = ""
        self.started = time.monotonic()
        self._cases: dict[str, Case] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._items: list[pytest.Item] = []
        self._old_handler: Any = None
        self._selected: list[str] = []  # the rows to report: those that a user's own -k or paths left in

    # -- what is run

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Check every id, leave out what does not apply, and put waiting tests where they wait best."""
        ours = [item for item in items if body_of(item)]
        for item in ours:
            if unknown := [name for name in ids_of(item) if name not in self.contract]:
                raise pytest.UsageError(f"{item.nodeid}: no requirement has the id {', '.join(unknown)}")
            if not ids_of(item):
                raise pytest.UsageError(f"{item.nodeid}: names no requirement")
        if not ours or config.option.collectonly:
            return
        try:
            settings = Settings.read(vars(config.option), self.contract)
        except ChatproofError as error:
            raise pytest.UsageError(f"chatproof: {error}") from error
        self.run = Run(settings, self.contract, self._say)
        tested = {name for item in ours for name in ids_of(item)}
        self._selected = [
            name for name in settings.selected(self.contract) if name in tested or not self._is_declarable(name)
        ]
        kept = [item for item in ours if self._is_wanted(item, settings)]
        left_out = [item for item in ours if item not in kept]
        kept.sort(key=self._turn)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in ours] + kept
        self._items = kept

    def _turn(self, item: pytest.Item) -> int:
        """In which part of the run a test is waited for. Replies that go on in the background must not be heard
        by tests of Socket.IO: a server that sends them to everybody is to be caught by SIO-06 alone."""
        if when_of(item) is When.FROM_THE_START:
            return 3
        if when_of(item) is When.AFTER_SOCKETS:
            return 2
        return 0 if self._uses_sockets(item) else 1

    def _uses_sockets(self, item: pytest.Item) -> bool:
        if parameters_of(item).get("transport", Transport.SSE) is not Transport.SSE:
            return True
        return any(Profile.SOCKETIO in self.contract[name].profiles for name in ids_of(item))

    def _is_declarable(self, name: str) -> bool:
        return set(self.contract[name].profiles) <= set(DECLARABLE)

    def _is_wanted(self, item: pytest.Item, settings: Settings) -> bool:
        if settings.only and not settings.only & set(ids_of(item)):
            return False
        transport = parameters_of(item).get("transport", Transport.SSE)
        if transport is not Transport.SSE and Profile.SOCKETIO not in settings.profiles:
            return False
        rows = [self.contract[name] for name in ids_of(item)]
        declared = [row for row in rows if set(row.profiles) <= settings.profiles]
        return any(settings.has_provider or not row.needs_provider for row in declared)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Open the run before the first test. Where there is nothing to judge, no test is run."""
        if self.run is None or not self._items or session.testsfailed:
            return None
        self._old_handler = signal.signal(signal.SIGTERM, _interrupt)
        try:
            self.run.open()
        except (ChatproofError, FakesError) as error:
            self.error = str(error)
        else:
            self.error = ""
        return True if self.error or self.run.unfit else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a test of the suite."""
        body = body_of(pyfuncitem)
        if body is None or self.run is None:
            return None
        if not self._tasks:
            self._begin(When.FROM_THE_START)
        if self._turn(pyfuncitem) > 0:
            self._begin(When.AFTER_SOCKETS)
        case = self.case(pyfuncitem)
        try:
            if pyfuncitem.nodeid in self._tasks:
                self.run.do(self._await(pyfuncitem.nodeid))
            else:
                self.run.do(_perform(case, body, arguments_of(pyfuncitem, case)))
        finally:
            pyfuncitem.user_properties.append((RECORDS, [record.to_json() for record in case.records]))
        if self.run.stopped:
            pyfuncitem.session.shouldstop = self.run.stopped
        self._tell(case)
        return True

    def case(self, item: pytest.Item) -> Case:
        """The case of a test, the same for its fixtures, its body and its report."""
        assert self.run is not None
        if item.nodeid not in self._cases:
            source = self.run.pacer.addresses.fresh()
            self._cases[item.nodeid] = Case(self.run, item.nodeid, tuple(ids_of(item)), source)
        return self._cases[item.nodeid]

    def _begin(self, when: When) -> None:
        assert self.run is not None
        for item in self._items:
            body = body_of(item)
            if body and when_of(item) is when and item.nodeid not in self._tasks:
                case = self.case(item)
                self._tasks[item.nodeid] = self.run.begin(_perform(case, body, arguments_of(item, case)))

    async def _await(self, name: str) -> None:
        task = self._tasks[name]
        done, _ = await asyncio.wait([task], timeout=SILENT_WAIT)
        if not done:
            waiting = [key.rpartition("::")[2] for key, one in self._tasks.items() if not one.done()]
            self._say(f"waiting for {', '.join(waiting)} …")
        await task

    def _say(self, text: str) -> None:
        if reporter := self.config.pluginmanager.get_plugin("terminalreporter"):
            reporter.ensure_newline()
            reporter.write_line(f"chatproof: {text}")

    def _tell(self, case: Case) -> None:
        assert self.run is not None
        strict = self.run.settings.strict
        rows = [Row(self.contract[record.id], record.verdict) for record in case.records]
        bad = [
            record
            for record, row in zip(case.records, rows, strict=True)
            if (row.gates(strict) and not record.weak) or record.verdict is Verdict.HARNESS_ERROR
        ]
        if bad:
            text = "\n".join(record.screen or f"{record.id} {record.verdict}: {record.seen}" for record in bad)
            pytest.fail(text, pytrace=False)
        if not case.records or all(record.verdict is Verdict.NOT_APPLICABLE for record in case.records):
            pytest.skip(self.run.no_provider)

    # -- what came of it

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect a test's records, also from another process."""
        if report.when == "call":
            for key, value in report.user_properties:
                if key == RECORDS and isinstance(value, list):
                    self.ledger.add(Record.from_json(record) for record in value)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the run, write the report, and set the exit code."""
        if self.run is None:
            return
        self.run.close()
        if self._old_handler is not None:
            signal.signal(signal.SIGTERM, self._old_handler)
        if exitstatus == pytest.ExitCode.INTERRUPTED and not self.run.stopped:
            self.error = "the run was interrupted"
        if not self._items and self.run.settings.only:
            self.error = f"none of {', '.join(sorted(self.run.settings.only))} applies to this run"
        rows, verdict = self.rows(), self.verdict()
        if path := self.run.settings.report_json:
            try:
                write_json(path, as_json(self.run.url, rows, verdict, self.run.provider_name))
            except ChatproofError as error:
                self.error = self.error or str(error)
                verdict = Overall.ERROR
        if exitstatus in (0, 1, 2, 5):  # not where pytest itself was misused or is broken
            codes = {Overall.PASS: ExitCode.PASS, Overall.FAIL: ExitCode.FAIL, Overall.ERROR: ExitCode.ERROR}
            session.exitstatus = codes[verdict]

    def rows(self) -> list[Row]:
        """All selected rows with their verdicts."""
        assert self.run is not None
        run = self.run
        return self.ledger.rows(self._selected, lambda row: run.absent(row.id))

    def verdict(self) -> Overall:
        """The verdict on the run."""
        assert self.run is not None
        return Overall.ERROR if self.error else overall(self.rows(), self.run.settings.strict)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, the remarks and the verdict."""
        run = self.run
        if run is None:
            return
        write = terminalreporter.write_line
        terminalreporter.ensure_newline()
        if self.error and not self.ledger.records:
            write(f"chatproof: ERROR {self.error}", red=True)
            return
        if run.unfit:
            write(f"chatproof: FAIL {run.unfit}", red=True)
            return
        rows, verdict = self.rows(), self.verdict()
        terminalreporter.section("chatproof", sep="=")
        for line in table(self.contract, rows):
            write(line)
        write("")
        for line in remarks(rows):
            write(line)
        if self.error:
            write(f"chatproof: ERROR {self.error}", red=True, bold=True)
            return
        seconds = time.monotonic() - self.started
        color = {Overall.PASS: "green", Overall.FAIL: "red", Overall.ERROR: "red"}[verdict]
        write(verdict_line(run.url, rows, verdict, run.settings.strict, seconds), **{color: True, "bold": True})


def _interrupt(number: int, frame: object) -> None:
    """SIGTERM ends a run as Ctrl-C does, so that nothing that it started outlives it."""
    raise KeyboardInterrupt


async def _perform(case: Case, body: TestBody, arguments: dict[str, Any]) -> None:
    """Run a test's body, and give every row that it names a verdict."""
    if case.run.stopped:  # there is nobody left to ask
        case.close_records(Verdict.NOT_TESTABLE, case.run.stopped)
        return
    try:
        async with asyncio.timeout(TEST_TIMEOUT):
            await body(**arguments)
        case.close_records(Verdict.HARNESS_ERROR, "the test made no check of this row")
    except NotApplicable as reason:
        case.close_records(Verdict.NOT_APPLICABLE, str(reason))
    except NotTestable as reason:
        case.close_records(Verdict.NOT_TESTABLE, str(reason))
    except TimeoutError:
        case.close_records(Verdict.NOT_TESTABLE, f"the test was not over after {TEST_TIMEOUT:g} s")
    except Exception as error:  # the suite's own fault must never look like the server's
        where = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        case.close_records(Verdict.HARNESS_ERROR, why)
        case.blame(why, traceback.format_exc())
    finally:
        await case.close()
        case.run.look_after_server(case.name.rpartition("::")[2])
