"""The report of a load test, on a wide and on a narrow screen, light and dark, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from chatproof.loadtests.client_error import Calibration
from chatproof.loadtests.objectives import parse_objectives
from chatproof.loadtests.rate_search import Search, TriedRate
from chatproof.loadtests.repeats import together
from chatproof.loadtests.reporting.load_report import page as html
from chatproof.loadtests.result import Result
from tests.browser.chromium import Watched, needs_chromium
from tests.browser.looks import CONTRASTS, LEAST_CONTRAST, OVERFLOW, OVERLAPS, SMALL, SQUEEZED, VOIDS
from tests.loadtests.runs import a_run, metrics_of

pytestmark = needs_chromium
SCREENS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
PARTS = (
    *("Search", "Objectives", "Over all runs", "Figures", "Percentiles", "Over time", "Outcomes", "Trust"),
    "Workers",
)
OBJECTIVES = "ttft_p95<1s,inter_token_p99<5ms,tokens_per_second_p5>5,overhead_p95<100ms,complete_share>=99%"


def eventful_run() -> Result:
    """All kinds of figures, verdicts of every kind with their reasons, long words, a worker that was lost; of a search
    with several runs for each rate."""
    objectives = parse_objectives(OBJECTIVES)
    metrics = metrics_of(3000, cut=40)
    for name in ("connect", "stop_to_last_token", "upstream_cancel", "overhead", "plain", "reader_lag"):
        metrics.of(name).extend(0.001 * number for number in range(1, 200))
    metrics.details[f"error event: {'a-reason-without-any-place-to-break-' * 6}"] += 9
    metrics.violations["TOK-01"] += 2
    metrics.examples["TOK-01"] = "seen: 24 tokens that end in 'and so on'; expected: 25"
    crew = {"begun": {"one": 1500, "two": 1500}, "lost": {"two": "no report for 10 s"}, "refused": {}, "whole": False}
    meta = a_run(metrics, crew=crew).meta
    calibration = Calibration("sse", 500, 1000, 0.004, 0.031, 0.001, 0.011, 0.004, 0.92)
    runs = [
        Result.of(meta, metrics_of(200, seed=seed, first=first), calibration, objectives)
        for seed, first in enumerate((0.2, 0.4, 0.9, 1.9))
    ]
    search = Search(100.0, tried=[TriedRate(10.0 * 2**at, one.exit_code, one) for at, one in enumerate(runs)])
    result = Result.of(meta, metrics, calibration, objectives)
    result.repeats, result.search = together(runs, objectives, provider=False).repeats, search.to_json()
    return result


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("load") / "report.html"
    path.write_text(html(eventful_run()), encoding="utf-8")
    return path


@pytest.fixture(params=SCREENS, ids=lambda param: "-".join(map(str, param)), scope="module")
def page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    watched = Watched(context.new_page())
    watched.page.goto(report.as_uri())
    yield watched.page
    context.close()
    assert watched.errors == []


def test_all_parts_are_there(page: Page, request: pytest.FixtureRequest) -> None:
    assert page.title() == "chatproof load: missed"
    assert page.locator("svg").count() == 11  # of the search, the percentiles, over time; and the raster
    assert page.locator("h2").all_inner_texts() == list(PARTS)
    assert "Goodput" in page.locator("body").inner_text()
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert (int(paper) < 100) == (request.node.callspec.params["page"][1] == "dark")


def test_nothing_is_wider_than_the_page_or_squeezed_or_far_apart(page: Page) -> None:
    width = page.viewport_size["width"]  # type: ignore[index]  # it was given
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for script in (OVERFLOW, SQUEEZED, VOIDS):
        assert page.evaluate(script) == []


def test_no_text_covers_another_or_runs_off(page: Page) -> None:
    assert page.locator("svg text").count() > 80
    assert page.evaluate(OVERLAPS) == []


def test_all_text_can_be_read(page: Page) -> None:
    found = page.evaluate(CONTRASTS)
    assert len(found) > 200
    assert [one for one in found if one[1] < LEAST_CONTRAST] == []
    assert page.evaluate(SMALL) == []
