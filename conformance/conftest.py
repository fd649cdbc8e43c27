"""The suite's plugin and its two fixtures."""

from __future__ import annotations

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.hooks import SuitePlugin


def pytest_configure(config: pytest.Config) -> None:
    """Register the hooks, unless the installed plugin did."""
    SuitePlugin.register(config)


@pytest.fixture
def behind(request: pytest.FixtureRequest) -> str | None:
    """The provider behind the server, for a test that runs once with each provider; else None."""
    provider: str | None = getattr(request, "param", None)
    return provider


@pytest.fixture
def case(request: pytest.FixtureRequest, behind: str | None) -> Case | None:
    """This test's `Case`: it asks the server and records what the test finds. None where no server can be asked."""
    plugin = request.config.pluginmanager.get_plugin(SuitePlugin.NAME)
    assert isinstance(plugin, SuitePlugin)
    return plugin.case(request.node)
