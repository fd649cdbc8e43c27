"""The HTTP client examples of the API's documentation, unchanged, in a real browser (documents/README.md)."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from chatproof.fake_providers.journal.control_client_sync import FakesSync
from tests.browser.chromium import Watched, needs_chromium
from tests.browser.examples import DOCUMENTS, JS, PACED, bundled, say, show
from tests.browser.site import Site
from tests.clients.node import needs

pytestmark = needs_chromium


def test_the_fetch_example(site: Site, journal: FakesSync, watched: Watched) -> None:
    page = watched.page
    journal.clear()
    with page.expect_console_message(lambda message: message.text.startswith("Done!")) as done:
        show(page, site.url, "<pre id=response></pre>", (DOCUMENTS / "fetch.js").read_text())
    (entry,) = journal.entries()
    assert entry.body["messages"][-1]["content"] == "Tell me about machine learning"
    expect(page.locator("#response")).to_have_text(entry.text)
    assert re.fullmatch(rf"Done! Generated {entry.tokens} tokens in [\d.]+s", done.value.text)


@needs("react", JS)
def test_the_react_example(site: Site, journal: FakesSync, watched: Watched) -> None:
    page = watched.page
    show(page, site.url, "<div id=root></div>", bundled("streaming.jsx"))
    say(page, "scenario paced")
    expect(page.get_by_placeholder("Ask something...")).to_be_enabled()
    expect(page.locator(".response")).to_have_text(PACED)
