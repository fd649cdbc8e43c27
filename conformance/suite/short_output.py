"""What `chatproof check` prints instead of pytest's own output: a live line, the root causes, and the verdict last."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Generator
from typing import Any, Final

import pytest

from chatproof.conformance.suite.outcome import Outcome
from chatproof.conformance.suite.reporting import ATTRIBUTE

OFTEN, SELDOM = 0.2, 30.0  # seconds between two states of the run: on a terminal, and in a log
OWN_CODES = (0, 1, 2, 4)  # exit codes that a verdict explains, or a line that pytest prints elsewhere
PYTESTS_OWN = ("collectonly", "showfixtures", "show_fixtures_per_test", "setupplan", "setupshow", "help", "version")


class ShortOutput:
    """A plugin of pytest. pytest's own reporter writes into memory; its text is shown only where something failed that
    no verdict explains. With -v it steps aside, and pytest prints as it always does.
    """

    NAME: Final = "chatproof-short-output"

    def __init__(self) -> None:
        self.__name__ = self.NAME  # pluggy names a plugin by this
        self._screen: pytest.TerminalReporter | None = None
        self._hidden = io.StringIO()
        self._told_at = time.monotonic()
        self._is_drawn = False
        self._is_unexplained = False
        self._code = 0

    @classmethod
    def of(cls, config: pytest.Config) -> ShortOutput | None:
        """The one of this run, if it is used."""
        plugin = config.pluginmanager.get_plugin(cls.NAME)
        return plugin if isinstance(plugin, cls) and plugin._screen else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> Generator[None, object, object]:
        """Nothing is captured, so that the live line is seen while tests run. The suite's tests print nothing."""
        if _is_short(early_config.known_args_namespace):
            early_config.known_args_namespace.capture = "no"
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Take the place of pytest's reporter on the screen."""
        plugins = config.pluginmanager
        screen = plugins.get_plugin("terminalreporter")
        if not isinstance(screen, pytest.TerminalReporter) or not _is_short(config.option):
            return
        plugins.unregister(screen)
        plugins.register(pytest.TerminalReporter(config, self._hidden), "terminalreporter")
        self._screen = screen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice failures of tests that are not the suite's."""
        self._is_unexplained |= report.failed and not hasattr(report, ATTRIBUTE)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notice what could not be collected."""
        self._is_unexplained |= report.failed

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Note the exit code, which the verdict has set."""
        self._code = int(session.exitstatus)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Show what pytest said, where the verdict does not explain the exit code."""
        if self._screen and (self._is_unexplained or self._code not in OWN_CODES):
            self._clear()
            self._screen.write_raw(self._hidden.getvalue())
            self._screen.flush()

    # -- what the suite says

    @property
    def pause(self) -> float:
        """Seconds until the next state of the run is worth telling."""
        return OFTEN if self._screen and self._screen.isatty() else SELDOM

    def state(self, text: str) -> None:
        """Say how far the run has come: in place on a terminal, as a line now and then in a log."""
        assert self._screen is not None
        if self._screen.isatty():
            width = shutil.get_terminal_size().columns - 1
            self._screen.rewrite(f"chatproof: {text}"[:width], erase=True)
            self._screen.flush()
            self._is_drawn = True
        elif time.monotonic() - self._told_at >= SELDOM:
            self.say(f"chatproof: {text}")

    def say(self, line: str, **markup: bool) -> None:
        """Print a line."""
        assert self._screen is not None
        self._clear()
        self._screen.write_line(line, **markup)
        self._screen.flush()
        self._told_at = time.monotonic()

    def finish(self, outcome: Outcome) -> None:
        """Print the result of the run."""
        outcome.show(self.say, is_short=True)

    def _clear(self) -> None:
        if self._is_drawn and self._screen:
            self._screen.rewrite("", erase=True)
            self._screen.write_raw("\r")
        self._is_drawn = False


def _is_short(options: Any) -> bool:
    if getattr(options, "verbose", 0) > 0:
        return False
    return not any(getattr(options, name, False) for name in PYTESTS_OWN)
