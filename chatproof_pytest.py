"""The pytest plugin: the options and markers of the conformance suite, and the fixtures of the fake providers.

Options must come from an installed plugin, not from the suite's conftest, so that
`pytest --pyargs conformance` knows them. All else is in `conformance`.
"""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

pytest_plugins = ["fake_providers.pytest_plugin"]  # imports nothing but pytest until a fixture is used


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the suite's options. pytest's own `--strict` makes SHOULD rows count as well."""
    group = parser.getgroup("chatproof", "conformance of a streaming chat backend (chatproof)")
    if not _base_url_is_taken(pluginmanager):
        group.addoption("--base-url", metavar="URL", help="the server under test, e.g. http://127.0.0.1:5000")
    group.addoption(
        "--start",
        metavar="COMMAND",
        help="start the server under test with this command and stop it at the end. {port} in it is replaced by a "
        "free port; PORT, OPENAI_BASE_URL and the contract's other variables are set, and the fake providers run "
        "behind it. Where no virtual environment is active, `python` is the interpreter that runs pytest.",
    )
    group.addoption(
        "--provider-url",
        metavar="URL",
        help="fake providers that already run and that the server under test calls (python -m fake_providers)",
    )
    group.addoption(
        "--profile",
        action="append",
        metavar="NAME",
        help="what the server declares beside core: socketio, limits, chat (repeatable, or comma-separated; "
        "default: all three)",
    )
    group.addoption(
        "--only",
        action="append",
        metavar="ID",
        help="judge these rows alone, e.g. TOK-02, or a group, e.g. SSE (repeatable, or comma-separated)",
    )
    group.addoption(
        "--slow",
        action="store_true",
        help="also wait for SIO-09 and INT-09 where the server's ping intervals make them longer than 30 s",
    )
    group.addoption(
        "--report-json",
        metavar="FILE",
        help="write the verdict of every row to this file",
    )
    group.addoption(
        "--silence",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long the server may say nothing before a request is given up (default: 10)",
    )
    group.addoption(
        "--start-timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long the --start command may take until it listens (default: 60)",
    )
    group.addoption(
        "--provider-timeout",
        type=float,
        metavar="SECONDS",
        help="the server's PROVIDER_TIMEOUT: set for a server that --start starts (default: 10), else declared",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the suite's marker."""
    config.addinivalue_line("markers", "requirement(*ids): the rows of the contract that a conformance test judges")


def _base_url_is_taken(pluginmanager: pytest.PytestPluginManager) -> bool:
    """pytest-base-url defines the same option, to the same `dest`, and does not look whether it is there."""
    if pluginmanager.is_blocked("base_url"):
        return False
    return any(entry.name == "base_url" for entry in entry_points(group="pytest11"))
