"""One server for all tests of this folder, and a browser for each module.

A browser must end with the tests that use it: no async test can run while it is open.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from chatproof.fake_providers.journal.control_client import FakesSync
from tests.browser.chromium import Watched, launched, opened
from tests.browser.site import Site, running


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """A server that runs offline. All tests come from one address, so its rate limits are high."""
    with running({"STREAM_LIMIT": "100000", "CHAT_LIMIT": "100000"}) as server:
        yield server


@pytest.fixture(scope="package")
def settings(site: Site) -> dict[str, str]:
    """Settings for another server that uses the same fake providers."""
    return {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{site.fakes_url}/v1"}


@pytest.fixture(scope="package")
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
