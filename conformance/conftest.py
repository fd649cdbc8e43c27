"""The suite's fixtures, and its hooks.

The fixtures are the methods of one `Case`; see `conformance/suite/case.py` for what each takes and gives.
"""

from __future__ import annotations

from typing import Any

import pytest

from conformance.suite.case import Case
from conformance.suite.plugin import SuitePlugin

NAME = "chatproof-suite"


def pytest_configure(config: pytest.Config) -> None:
    """Register the hooks, once."""
    if not config.pluginmanager.has_plugin(NAME):
        config.pluginmanager.register(SuitePlugin(config), NAME)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """One test's way to ask and to say what it found."""
    plugin = request.config.pluginmanager.get_plugin(NAME)
    assert isinstance(plugin, SuitePlugin)
    return plugin.case(request.node)


@pytest.fixture
def ask(case: Case) -> Any:
    """Ask, and give the whole exchange."""
    return case.ask


@pytest.fixture
def conforms(case: Case) -> Any:
    """Run checks on a transcript."""
    return case.conforms


@pytest.fixture
def holds(case: Case) -> Any:
    """Keep a plain finding."""
    return case.holds
