"""The React + Socket.IO example of the API's documentation, unchanged (documents/README.md).

It connects to http://localhost:5000, literally: the browser is told that this is where the server is.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from chatproof.fake_providers.journal.control_client import FakesSync
from tests.browser.chromium import launched, needs_chromium, opened
from tests.browser.examples import JS, PACED, bundled, say, show
from tests.browser.site import Site
from tests.clients.node import needs

pytestmark = needs_chromium

URL: Final = "http://localhost:5000"


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    here = f"--host-resolver-rules=MAP localhost:5000 127.0.0.1:{site.port}"
    # The test hands the page to the browser, which so does not know that it comes from this machine too.
    with launched([here, "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"]) as started:
        yield started


@needs("react", JS)
def test_the_react_example_over_socket_io(browser: Browser, journal: FakesSync) -> None:
    case = uuid.uuid4().hex
    with opened(browser, URL) as watched:
        page = watched.page
        with page.expect_websocket():  # the client begins with polling; this is its upgrade
            show(page, URL, "<div id=root></div>", bundled("websocket.jsx"))
        with page.expect_console_message(lambda message: message.text.startswith("Complete:")) as complete:
            say(page, f"scenario paced case {case}")
        assert re.fullmatch(r"Complete: 20 tokens in [\d.]+s", complete.value.text)
        expect(page.locator(".response")).to_have_text(PACED)
        journal.assert_completed(case)
