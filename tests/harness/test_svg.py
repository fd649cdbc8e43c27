"""The SVG helpers that the suite's pictures and the load tests' charts share."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from chatproof.harness.report.svg import LinearScale, element, picture, round_step, ticks, words


def test_ticks_are_round() -> None:
    assert ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert ticks(0, 0.07, 4) == pytest.approx([0, 0.02, 0.04, 0.06])
    assert ticks(3, 3, 5) == [3]
    assert round_step(2300, 9) == 500


def test_a_scale_may_run_backwards_and_may_be_empty() -> None:
    assert LinearScale(0, 10, 200, 100).at(2.5) == 175
    assert LinearScale(4, 4, 10, 20).at(4) == 10


def test_nothing_that_is_said_becomes_markup() -> None:
    said = "\"><script>&'"
    drawn = picture(100, 50, said, [words(1.25, 2.0, said), element("path", tip=said, kind=said, d=said)])
    root = ElementTree.fromstring(drawn)
    assert [one.tag for one in root.iter()] == ["svg", "text", "path", "title"]
    assert root.get("aria-label") == root[0].text == root[1].get("class") == root[1][0].text == said


def test_numbers_are_short() -> None:
    assert element("rect", x=1.0, y=2.26, width=3, data_at="0.123") == '<rect x="1" y="2.3" width="3" data-at="0.123"/>'
