"""The scripts that look at pages find what is wrong with a bad page, and nothing on a good one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import needs_chromium
from tests.browser.looks import CONTRASTS, LEAST_CONTRAST, OVERFLOW, OVERLAPS, SMALL, SQUEEZED, VOIDS

pytestmark = needs_chromium

BAD = """<!doctype html><meta charset="utf-8"><style>
  body { margin: 0; background: #fff; color: #000; font: 15px/1.5 sans-serif; }
  .stack, .stack p { position: relative } .under { position: absolute; inset: 0; background: #000 }
</style>
<p style="color: #999">pale</p>
<p><span style="opacity: .4">faint</span></p>
<div style="background: #222"><p style="background: #ffffff1a; color: #555">behind glass</p></div>
<div class="stack"><div class="under"></div><p style="color: #222">on a sibling</p></div>
<div style="background: linear-gradient(#fff, #000)">on a gradient</div>
<input placeholder="nearly white"><style>::placeholder { color: #ccc; opacity: 1 }</style>
<svg width="300" height="80"><rect width="300" height="60" fill="#333"/><text x="10" y="30" fill="#222">in a box</text>
  <text x="10" y="72">one label</text><text x="30" y="75">another label</text>
  <text x="280" y="30" fill="#fff">runs</text><text x="200" y="72" font-size="7">tiny</text></svg>
<p style="width: 60px">so many words that stand in one narrow column</p>
<style>.stack button { position: absolute; left: 9px; top: 0 }</style>
<div class="stack" style="height: 30px">a button on me<button>Press</button></div>
<div class="stack" style="height: 30px">hidden from you<div class="under"></div></div>
<div style="height: 200px"></div>
<div style="width: 2000px; background: #eee">too wide</div>"""

GOOD = """<!doctype html><meta charset="utf-8"><style>
  body { margin: 0; background: #111; color: #eee; font: 15px/1.5 sans-serif; }
  .stack, .stack p { position: relative } .under { position: absolute; inset: 0; background: #fff }
</style>
<p>light on dark <code>and</code> <a href="#x" style="color: #8af">a link</a></p>
<div class="stack"><div class="under"></div><p style="color: #222">on a sibling</p></div>
<div style="background: #fff"><p style="background: #0000001a; color: #222">behind glass</p></div>
<p style="overflow: hidden; width: 200px; white-space: nowrap">cut off, however long this sentence is</p>
<div style="overflow-x: auto"><div style="width: 3000px">it scrolls</div></div>
<p hidden style="color: #111">nobody sees this</p>
<svg width="300" height="60"><rect width="300" height="60" fill="#eee"/><text x="10" y="30" fill="#222">in a box</text>
  <text x="150" y="30" fill="#222">beside it</text></svg>
<p><label>Name <input value="ada" style="color: #111; background: #fff"></label> <button>Send</button></p>"""


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 800, "height": 400})
    yield context.new_page()
    context.close()


def test_each_fault_of_a_bad_page_is_found(blank: Page) -> None:
    blank.set_content(BAD)
    pale = {text for text, ratio in blank.evaluate(CONTRASTS) if ratio < LEAST_CONTRAST}
    assert pale >= {"pale", "faint", "behind glass", "on a sibling", "on a gradient", "nearly white", "in a box"}
    assert not pale & {"one label", "too wide", "Press"}
    covered = blank.evaluate(OVERLAPS)
    assert "one label covers another label" in covered
    assert "runs runs off its picture" in covered
    assert "hidden from you lies under div.under" in covered
    assert "a button on me lies under button" in covered
    assert not [one for one in covered if "pale" in one or "faint" in one]
    assert [one.partition(":")[0] for one in blank.evaluate(OVERFLOW)] == ["div"]
    assert [one.partition(":")[0] for one in blank.evaluate(SQUEEZED)] == ["so many words that stand in one narrow c"]
    assert len(blank.evaluate(VOIDS)) == 1
    assert [one.partition(":")[0] for one in blank.evaluate(SMALL)] == ["tiny"]


def test_nothing_is_found_on_a_good_page(blank: Page) -> None:
    blank.set_content(GOOD)
    found = dict(blank.evaluate(CONTRASTS))
    assert {"light on dark", "and", "a link", "on a sibling", "behind glass", "in a box", "ada"} <= set(found)
    assert "nobody sees this" not in found
    assert [one for one in found.items() if one[1] < LEAST_CONTRAST] == []
    for script in (OVERLAPS, OVERFLOW, SQUEEZED, VOIDS, SMALL):
        assert blank.evaluate(script) == []
