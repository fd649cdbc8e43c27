"""The playground while its server goes away, comes back, and has had enough."""

from __future__ import annotations

import re
import signal
import uuid

import httpx
from playwright.sync_api import Browser, Page, expect

from chatproof.fake_providers.journal.control_client_sync import FakesSync
from tests.browser.chromium import needs_chromium, opened
from tests.browser.playground import TRANSPORTS, ask, notice, number, reply, wait_over
from tests.browser.site import running

pytestmark = needs_chromium


def test_the_page_survives_its_servers_death(browser: Browser, settings: dict[str, str], journal: FakesSync) -> None:
    left, again = uuid.uuid4().hex, uuid.uuid4().hex
    with running(settings) as first, opened(browser, first.url) as watched:
        page = watched.page
        page.goto(first.url)
        connected = page.locator("#socketio .state[data-state=connected]")
        connected.wait_for()
        assert not page.locator("#suggestions").is_visible(), "a real provider plays no scripts"
        ask(page, f"scenario minute case {left}")
        for transport in TRANSPORTS:
            expect(reply(page, transport)).to_contain_text("One minute")
        first.process.send_signal(signal.SIGKILL)
        for transport in TRANSPORTS:
            expect(notice(page, transport, "error").locator("strong")).to_have_text("Connection lost")
            expect(reply(page, transport)).to_contain_text("One minute")
        expect(page.locator("#socketio .state")).to_have_attribute("data-state", re.compile("waiting|connecting"))
        first.process.wait(10)
        with running(settings, port=first.port):
            connected.wait_for()
            for transport in TRANSPORTS:
                ask(page, f"scenario three-tokens case {again}", to=transport)
                wait_over(page, transport)
                assert number(page, transport, "tokens") == "3"
            # Nothing was asked a second time without being told to.
            assert len(journal.entries(left)) == 2
            assert len(journal.entries(again)) == 2
        watched.errors.clear()  # what the browser says about connections that were refused or cut


def test_a_request_can_be_repeated_after_an_error(page: Page, journal: FakesSync) -> None:
    case = uuid.uuid4().hex
    ask(page, f"scenario cut-mid case {case}", to="socketio")
    notice(page, "socketio", "error").get_by_role("button", name="Ask again").click()
    expect(page.locator("#socketio article")).to_have_count(2)
    wait_over(page, "socketio")
    assert len(journal.entries(case)) == 2


def test_a_rate_limit_says_how_long_to_wait(browser: Browser, settings: dict[str, str]) -> None:
    with running(settings) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        while client.post("/api/chat/stream", json={"message": "scenario three-tokens"}).status_code == 200:
            pass
        with opened(browser, server.url) as watched:
            watched.page.goto(server.url)
            ask(watched.page, "Hello!", to="sse")
            error = notice(watched.page, "sse", "error")
            expect(error.locator("strong")).to_have_text("Too many requests (429)")
            expect(error.locator("span")).to_have_text(re.compile(r"Try again in \d+ s\.$"))
            watched.forgive_refusals()
