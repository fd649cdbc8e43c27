"""The contract's rows, the page made from them, and the tests that name them."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from chatproof.harness.protocol.requirements import Level, Profile, contract
from chatproof.harness.report.contract_page import PAGE, page

SUITE = Path(__file__).parent.parent.parent / "conformance"


def named_ids() -> set[str]:
    """The ids in the suite's `@requirement(...)` decorators."""
    calls = [
        node
        for path in SUITE.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "requirement"
    ]
    return {str(one.value) for call in calls for one in call.args if isinstance(one, ast.Constant)}


def test_the_first_revision_keeps_its_rows() -> None:
    counts = Counter(row.group for row in contract() if row.since == 1)
    expected = {"REQ": 10, "SSE": 11, "TOK": 5, "END": 8, "ERR": 6, "SIO": 12, "SES": 14, "LIM": 12}
    assert counts == {**expected, "CHAT": 3, "AUTH": 4, "CORS": 4, "INT": 9, "PERF": 4}


def test_a_row_says_what_it_needs() -> None:
    row = contract()["LIM-12"]
    assert (row.level, row.profile, row.needs_provider, row.group) == (Level.SHOULD, Profile.LIMITS, True, "LIM")
    assert contract()["LIM-04"].profiles == (Profile.LIMITS, Profile.CHAT)


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(contract()), "run python -m chatproof.harness.report.contract_page"


def test_every_row_is_tested_or_says_why_not() -> None:
    tested, excluded = named_ids(), {row.id for row in contract() if row.excluded}
    assert tested | excluded == {row.id for row in contract()}
    assert not tested & excluded


def test_every_row_is_explained() -> None:
    for row in contract():
        assert row.typical, row.id
        assert bool(row.how) != bool(row.excluded), row.id


@pytest.mark.parametrize("level", list(Level))
def test_both_levels_are_in_use(level: Level) -> None:
    assert any(row.level is level for row in contract())
