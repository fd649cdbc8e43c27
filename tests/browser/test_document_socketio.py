"""The React + Socket.IO example of the API's documentation, unchanged (documents/README.md).

It connects to http://localhost:5000, literally: the browser is told that this is where the server is (conftest.py).
"""

from __future__ import annotations

import re
import uuid
from typing import Final

from playwright.sync_api import Browser, expect

from chatproof.fake_providers.journal.control_client_sync import FakesSync
from tests.browser.chromium import needs_chromium, opened
from tests.browser.examples import JS, PACED, bundled, say, show
from tests.clients.node import needs

pytestmark = needs_chromium

URL: Final = "http://localhost:5000"


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
