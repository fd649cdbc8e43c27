"""The playground while its server goes away, comes back, and has had enough."""

from __future__ import annotations

import re
import signal

import httpx
from playwright.sync_api import Browser, expect

from chatproof.fake_providers.journal.control_client import FakesSync
from chatproof.fake_providers.server.launcher import start_fakes
from tests.browser.chromium import needs_chromium, opened
from tests.browser.playground import TRANSPORTS, ask, notice, number, reply, wait_over
from tests.browser.site import running

pytestmark = needs_chromium


def test_the_page_survives_its_servers_death(browser: Browser) -> None:
    with start_fakes() as fakes, FakesSync(fakes.url) as journal:
        settings = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": fakes.openai_base_url}
        with running(settings) as first, opened(browser, first.url) as watched:
            page = watched.page
            page.goto(first.url)
            connected = page.locator("#socketio .state[data-state=connected]")
            connected.wait_for()
            assert not page.locator("#suggestions").is_visible(), "a real provider plays no scripts"
            ask(page, "scenario minute case left")
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
                    ask(page, "scenario three-tokens case again", to=transport)
                    wait_over(page, transport)
                    assert number(page, transport, "tokens") == "3"
                # Nothing was asked a second time without being told to.
                assert len(journal.entries("left")) == 2
                assert len(journal.entries("again")) == 2
            watched.errors.clear()  # what the browser says about connections that were refused or cut


def test_an_ask_can_be_repeated_after_an_error(browser: Browser) -> None:
    with running() as server, opened(browser, server.url) as watched:
        page = watched.page
        page.goto(server.url)
        page.locator("#socketio .state[data-state=connected]").wait_for()
        ask(page, "scenario cut-mid case repeated", to="socketio")
        notice(page, "socketio", "error").get_by_role("button", name="Ask again").click()
        expect(page.locator("#socketio article")).to_have_count(2)
        wait_over(page, "socketio")
        with FakesSync(server.fakes_url) as journal:
            assert len(journal.entries("repeated")) == 2


def test_a_rate_limit_says_how_long_to_wait(browser: Browser) -> None:
    with running() as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        while client.post("/api/chat/stream", json={"message": "scenario three-tokens"}).status_code == 200:
            pass
        with opened(browser, server.url) as watched:
            watched.page.goto(server.url)
            ask(watched.page, "Hello!", to="sse")
            error = notice(watched.page, "sse", "error")
            expect(error.locator("strong")).to_have_text("Too many requests (429)")
            expect(error.locator("span")).to_have_text(re.compile(r"Try again in \d+ s\.$"))
            watched.forgive_refusals()
