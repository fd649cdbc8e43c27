"""One server and one browser for all tests of this folder.

No async test can run while a browser is open: here they come first, and the browser ends with the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import iscoroutinefunction

import pytest
from playwright.sync_api import Browser, Page

from chatproof.fake_providers.journal.control_client_sync import FakesSync
from tests.browser.chromium import Watched, launched, opened
from tests.browser.dreadful_run import DreadfulRun
from tests.browser.site import Site, running

LAST = "test_report_page.py"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The async tests of this folder before its others, and at its end those that wait for a run."""
    places = [place for place, item in enumerate(items) if item.nodeid.startswith("tests/browser/")]
    ours = [items[place] for place in places]
    ours.sort(key=lambda item: (not iscoroutinefunction(getattr(item, "obj", None)), item.path.name == LAST))
    for place, item in zip(places, ours, strict=True):
        items[place] = item


@pytest.fixture(scope="package", autouse=True)
def dreadful_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DreadfulRun | None]:
    """Begins with the folder's first test, where one of the tests looks at its report."""
    if not any(item.path.name == LAST for item in request.session.items):
        yield None
        return
    run = DreadfulRun.begin(tmp_path_factory.mktemp("dreadful"))
    yield run
    run.stop()


@pytest.fixture(scope="package")
def shared_site() -> Iterator[Site]:
    """A server that runs offline. All tests come from one address, so its rate limits are high."""
    with running({"STREAM_LIMIT": "100000", "CHAT_LIMIT": "100000"}) as server:
        yield server


@pytest.fixture(scope="package")
def site(shared_site: Site) -> Site:
    """The server that a test looks at: the shared one, where its module has no other."""
    return shared_site


@pytest.fixture(scope="package")
def settings(site: Site) -> dict[str, str]:
    """Settings for another server that uses the same fake providers."""
    return {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{site.fakes_url}/v1"}


@pytest.fixture(scope="package")
def journal(site: Site) -> Iterator[FakesSync]:
    with FakesSync(site.fakes_url) as fakes:
        yield fakes


@pytest.fixture(scope="package")
def browser(shared_site: Site) -> Iterator[Browser]:
    """It finds the shared server at http://localhost:5000 too: the documentation's Socket.IO example connects there."""
    here = f"--host-resolver-rules=MAP localhost:5000 127.0.0.1:{shared_site.port}"
    # A test hands a page to the browser, which so does not know that it comes from this machine too.
    with launched([here, "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"]) as started:
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
