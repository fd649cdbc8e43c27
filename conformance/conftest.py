"""The suite's hooks, and its one fixture."""

from __future__ import annotations

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
