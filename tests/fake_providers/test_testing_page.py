"""docs/testing.md: its examples run, and it has every public name that a test meets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatproof.fake_providers import testing
from chatproof.fake_providers.journal.assertions import AsyncAssertions
from chatproof.fake_providers.journal.journal import Journal
from chatproof.fake_providers.testing.inprocess import InProcess
from chatproof.fake_providers.testing.offline_guard import OfflineGuard
from chatproof.fake_providers.testing.scripted_fakes import CHOICES
from chatproof.fake_providers.testing.threaded import ThreadedServer
from tests.fake_providers.pytester_kit import outcome, said

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
INTERNAL = {
    *("answers", "play", "answer_from"),  # the interception's side of InProcess, and the fixtures'
    *("begin", "open", "wrote", "wrote_next", "end", "wait", "aio"),  # the server's side of Journal, and its coroutines
}


def names(*things: object) -> set[str]:
    """The public names of objects: their classes' and their own."""
    return {name for thing in things for name in dir(thing) if not name.startswith("_")} - INTERNAL


def test_the_examples_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai", reason="the official openai client is not installed (make setup)")
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    wanted = sum(len(re.findall(r"^(?:async )?def test_", block, re.M)) for block in blocks)
    assert wanted >= 6
    monkeypatch.setenv("CHATPROOF_RECORD", "missing")
    pytester.makepyfile(**{f"test_block_{number}": block for number, block in enumerate(blocks)})
    result = outcome(pytester, monkeypatch, "")
    assert result.parseoutcomes() == {"passed": wanted}, said(result)


def test_it_lists_each_method() -> None:
    listed = set(re.findall(r"`(\w+)(?=[`(])", "\n".join(re.findall(r"^\| (`.*?) \|", PAGE, re.M))))
    with InProcess() as fakes:
        known = names(fakes, ThreadedServer(), fakes.journal, OfflineGuard())
    assert known <= listed, "a method without a line"
    fixtures = {"fake_openai", "fake_gemini", "fake_local", "fake_anthropic", "fake_server", "offline_guard"}
    more = {*testing.__all__, *CHOICES, *fixtures, "pace"}
    assert listed <= known | more, "a line without a method"
    assert more <= listed
    assert names(AsyncAssertions) <= names(Journal)
