"""Makes a checkout behave like an installed chatproof."""

import importlib
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import chatproof

PLUGIN = "chatproof.pytest_plugin"

if not any(entry.value == PLUGIN for entry in entry_points(group="pytest11")):
    pytest_plugins = [PLUGIN]

if Path(chatproof.__file__).resolve().parent != Path(__file__).resolve().with_name("chatproof"):
    raise SystemExit(f"This checkout cannot be tested with {chatproof.__file__}: use python -m pytest, or make setup")

# `pytest conformance` collects by folder, and the tests import `chatproof.conformance`: one package, not two
sys.modules["conformance"] = importlib.import_module("chatproof.conformance")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Know the settings of pytest-asyncio without it: our own tests need it, the suite does not."""
    config = pluginmanager.get_plugin("pytestconfig")
    assert isinstance(config, pytest.Config)
    for name in ("asyncio_mode", "asyncio_default_fixture_loop_scope"):
        try:
            config.getini(name)
        except ValueError:
            parser.addini(name, "a setting of pytest-asyncio, which is not loaded")
