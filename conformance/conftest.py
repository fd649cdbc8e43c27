"""The suite's hooks, and its two fixtures."""

from __future__ import annotations

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.hooks import SuitePlugin

NAME = "chatproof-suite"


def pytest_configure(config: pytest.Config) -> None:
    """Register the hooks, once."""
    if not config.pluginmanager.has_plugin(NAME):
        config.pluginmanager.register(SuitePlugin(config), NAME)


@pytest.fixture
def behind(request: pytest.FixtureRequest) -> str | None:
    """The provider behind the server, where a test is run once for each."""
    provider: str | None = getattr(request, "param", None)
    return provider


@pytest.fixture
def case(request: pytest.FixtureRequest, behind: str | None) -> Case | None:
    """One test's way to ask and to say what it found; None where there is nobody to ask."""
    plugin = request.config.pluginmanager.get_plugin(NAME)
    assert isinstance(plugin, SuitePlugin)
    return plugin.case(request.node)
