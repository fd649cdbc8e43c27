"""A user's own pytest run, in this process: what a run in a process of its own would say, without its second."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.suite.running import ASYNCIO, OWN, named

INI = """[pytest]
filterwarnings = error
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""


def outcome(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    test: str,
    *options: str,
    ini: str = "",
    key: str = "sk-real",
) -> pytest.RunResult:
    """Run that test file with our plugin and pytest-asyncio alone."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("OPENAI_API_KEY", key)
    pytester.makepyfile(dedent(test))
    pytester.makeini(f"{INI}{ini}")
    return pytester.runpytest_inprocess(*named("no:cacheprovider", OWN, ASYNCIO), *options)


def said(result: pytest.RunResult) -> str:
    return "\n".join([*result.outlines, *result.errlines])
