"""A server and a browser for each module: a browser must not outlive the tests that need it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from chatproof.fake_providers.journal.control_client import FakesSync
from tests.browser.chromium import Watched, launched, opened
from tests.browser.site import Site, running


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def journal(site: Site) -> Iterator[FakesSync]:
    with FakesSync(site.fakes_url) as fakes:
        yield fakes


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture
def watched(browser: Browser, site: Site) -> Iterator[Watched]:
    with opened(browser, site.url) as page:
        yield page


@pytest.fixture
def page(watched: Watched, site: Site) -> Page:
    """The playground, once its socket is connected."""
    watched.page.goto(site.url)
    watched.page.locator("#socketio .state[data-state=connected]").wait_for()
    return watched.page
