"""The HTML report, on a wide and on a narrow screen, light and dark: of a made-up run with 70 red rows and exchanges of
every shape, and of a full run against a server that keeps few rows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from chatproof.harness.report.page import page as html
from tests.browser.chromium import needs_chromium
from tests.browser.dreadful_run import DreadfulRun
from tests.browser.looks import LABELS, LARGE_PAGE_CONTRASTS, LEAST_CONTRAST, OVERFLOW
from tests.browser.red_run import ids, red_run

pytestmark = needs_chromium
SCREENSHOTS = os.environ.get("CHATPROOF_SCREENSHOTS")  # a folder for pictures of the report
MADE, REAL = "made-up", "real"
# widths are looked at in one scheme each: a large page costs seconds, and no width depends on a colour
PAGES = [(kind, width, scheme) for kind in (MADE, REAL) for width, scheme in ((1280, "light"), (390, "dark"))]

Reports = Mapping[str, Callable[[], Path]]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, dreadful_run: DreadfulRun) -> Reports:
    """The reports' files."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html(red_run()), encoding="utf-8")
    return {MADE: lambda: path, REAL: dreadful_run.html}


@pytest.fixture(params=PAGES, ids=lambda param: "-".join(map(str, param)), scope="module")
def page(request: pytest.FixtureRequest, browser: Browser, reports: Reports) -> Iterator[Page]:
    """A report, open, all its rows unfolded."""
    kind, width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(reports[kind]().as_uri())
    if SCREENSHOTS:
        for number, top in enumerate((0, 900, 3000, 12000)):
            page.evaluate("(top) => scrollTo(0, top)", top)
            page.screenshot(path=Path(SCREENSHOTS) / f"{kind}-{width}-{scheme}-{number}.png")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    yield page
    context.close()


def test_nothing_is_wider_than_the_page(page: Page) -> None:
    width = page.viewport_size["width"]  # type: ignore[index]  # it was given
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOW) == []


def test_no_label_covers_another_or_runs_off(page: Page) -> None:
    assert page.locator("svg.timeline text").count() > 300
    assert page.evaluate(LABELS) == []


def test_all_text_can_be_read(page: Page) -> None:
    found = page.evaluate(LARGE_PAGE_CONTRASTS)
    assert len(found) > 500
    assert [one for one in found if one[1] < LEAST_CONTRAST] == []


def test_each_failure_has_a_line_that_leads_to_it(
    page: Page, dreadful_run: DreadfulRun, request: pytest.FixtureRequest
) -> None:
    kind, *_ = request.node.callspec.params["page"]
    red = list(ids(red_run())) if kind == MADE else dreadful_run.red_rows()
    lines = page.locator(".failures a")
    assert lines.count() == len(red) >= 60
    assert {re.sub(r" .*", "", text) for text in page.locator(".failures .id").all_inner_texts()} == set(red)
    assert all(lines.evaluate_all("(all) => all.map((one) => !!document.querySelector(one.hash))"))
    assert page.locator(".failures").bounding_box()["y"] < page.locator(".row").first.bounding_box()["y"]  # type: ignore[index]
