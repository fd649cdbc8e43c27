"""The playground on a wide and on a narrow screen, light and dark: empty, with replies, and with a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import Watched, needs_chromium
from tests.browser.looks import CONTRASTS, LEAST_CONTRAST, OVERFLOW, OVERLAPS
from tests.browser.playground import TRANSPORTS, ask, panel, wait_over
from tests.browser.site import Site

pytestmark = needs_chromium
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
SCREENS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
HEIGHT = 844


def looked_at(page: Page) -> None:
    """Nothing overflows, nothing overlaps, all can be read, once the page has drawn what it was last asked to show."""
    page.evaluate(TWO_FRAMES)
    width = page.viewport_size["width"]  # type: ignore[index]  # it was given
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOW) == []
    assert page.evaluate(OVERLAPS) == []
    found = page.evaluate(CONTRASTS)
    assert len(found) > 30
    assert [one for one in found if one[1] < LEAST_CONTRAST] == []


@pytest.fixture
def screen(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    """The playground on a screen of that width and colour scheme, connected."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
    watched = Watched(context.new_page())
    watched.page.goto(site.url)
    watched.page.locator("#socketio .state[data-state=connected]").wait_for(state="attached")
    yield watched.page
    context.close()
    assert watched.errors == []


@pytest.mark.parametrize("screen", SCREENS, ids=lambda param: "-".join(map(str, param)), indirect=True)
def test_all_can_be_read_at_any_time(screen: Page) -> None:
    expect(screen.locator("#suggestions")).to_be_visible()
    looked_at(screen)
    for script in ("three-tokens", "cut-mid"):
        ask(screen, f"scenario {script}")
        for transport in TRANSPORTS:
            wait_over(screen, transport)
    looked_at(screen)
    for tab in screen.get_by_role("tab").all()[1:]:  # on a phone
        tab.click()
        looked_at(screen)
    ask(screen, "scenario minute")
    for transport in TRANSPORTS:
        expect(panel(screen, transport).locator(".reply").last).to_contain_text("One minute")
    looked_at(screen)  # the buttons of a reply that runs
    screen.keyboard.press("Escape")
    for transport in TRANSPORTS:
        wait_over(screen, transport)


@pytest.mark.parametrize("screen", [(390, "light")], indirect=True)
def test_a_phone_shows_one_panel_at_a_time_and_all_of_it(screen: Page) -> None:
    tabs = screen.get_by_role("tab")
    ask(screen, "scenario three-tokens")
    for transport in TRANSPORTS:
        wait_over(screen, transport)
    expect(tabs).to_have_text(["SSE 3 tokens", "Socket.IO 3 tokens"])
    for name, other in (("socketio", "sse"), ("sse", "socketio")):
        tabs.filter(has_text=TRANSPORTS[name]).click()
        expect(panel(screen, name)).to_be_visible()
        expect(panel(screen, other)).to_be_hidden()
        log, composer = panel(screen, name).locator(".log"), screen.locator("#composer")
        assert log.bounding_box()["height"] > 200  # type: ignore[index]  # it is visible
        end = log.bounding_box()["y"] + log.bounding_box()["height"]  # type: ignore[index]
        assert end <= composer.bounding_box()["y"]  # type: ignore[index]
    box = screen.locator("#composer").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= HEIGHT, "all of the page is on the screen"
    tabs.first.focus()
    screen.keyboard.press("ArrowRight")
    expect(panel(screen, "socketio")).to_be_visible()
    screen.get_by_role("radio", name="SSE", exact=True).check()
    expect(panel(screen, "sse")).to_be_visible()


@pytest.mark.parametrize("screen", [(390, "light")], indirect=True)
def test_the_chart_has_one_unit(screen: Page) -> None:
    marks = panel(screen, "sse").locator(".chart text")
    expect(marks).to_have_count(0)
    for script, unit in (("three-tokens", " ms"), ("slow", " s")):
        ask(screen, f"scenario {script}", to="sse")
        wait_over(screen, "sse")
        expect(marks).to_have_text(["0", re.compile(rf"^[\d.]+{unit}$"), re.compile(rf"^[\d.]+{unit}$")])
