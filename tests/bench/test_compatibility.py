"""The page that `make clients` writes, and what its lock files must be. Nothing is installed or driven."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench import compatibility
from bench.compatibility import CLIENTS, Attempt, page


def test_the_page_has_a_line_for_each_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compatibility, "_said", lambda *command: "v1.2.3")
    attempts = [Attempt("litellm", "Gemini", "structured", None), Attempt("AI SDK", "Gemini", "tool_loop", "a | b")]
    lines = page(attempts, {"litellm": "1.0"}, Path(sys.executable)).splitlines()
    assert "| litellm | litellm 1.0 |" in lines
    assert "1 passed, 1 failed." in lines
    assert lines[-2:] == [
        "| litellm | Gemini | structured output | passed |",
        r"| AI SDK | Gemini | agent loop | **failed**: a \| b |",
    ]
    assert max(map(len, lines[:12])) <= 120


def test_the_locks_name_versions_and_no_host() -> None:
    locked = (CLIENTS / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all(line.count("==") == 1 and "://" not in line for line in locked)
    wanted = [line for line in (CLIENTS / "requirements.in").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert {name.partition("[")[0] for name in wanted} <= {line.partition("==")[0] for line in locked}
    lock = (CLIENTS / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in lock
    package = json.loads((CLIENTS / "package.json").read_text(encoding="utf-8"))
    assert json.loads(lock)["packages"][""]["dependencies"] == package["dependencies"]
