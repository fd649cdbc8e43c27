"""The official Socket.IO clients on a server with ALLOWED_ORIGINS: from its own pages, from the allowed origin and from
another one. A relay before the server shows which Origin arrived: whether a browser sent one is its own decision."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import socketio  # type: ignore[import-untyped]  # it ships no types
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import needs_chromium, opened
from tests.browser.examples import JS, bundled
from tests.browser.playground import TRANSPORTS, ask, reply, wait_over
from tests.browser.recording_relay import RecordingRelay, relayed
from tests.browser.site import Site, running
from tests.clients.node import needs
from tests.reference_server.kit import Asker

ALLOWED: Final = "http://chat.example"
OTHER: Final = "http://evil.example"
WAYS: Final = (["websocket"], ["polling"], ["polling", "websocket"])
MESSAGE: Final = "scenario three-tokens"


@pytest.fixture(scope="module")
def guarded(settings: dict[str, str]) -> Iterator[Site]:
    with running({**settings, "ALLOWED_ORIGINS": ALLOWED}) as server:
        yield server


@pytest.fixture
def relay(guarded: Site) -> Iterator[RecordingRelay]:
    with relayed(guarded.port) as relay:
        yield relay


# -- PyPI's python-socketio


@pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning")  # of its POSTs, whose answers it leaves
@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("whose", ["own", "allowed"])
async def test_python_may_use_it(relay: RecordingRelay, whose: str, transport: str) -> None:
    origin = {"own": relay.url, "allowed": ALLOWED}[whose]
    asker = Asker()
    await asker.client.connect(relay.url, headers={"Origin": origin}, transports=[transport])
    *tokens, (name, _) = await asker.ask({"message": MESSAGE})
    assert (len(tokens), name) == (3, "chat_complete")
    await asker.leave()
    del asker
    gc.collect()  # here, where the warning is known, and not in the middle of a later test
    assert relay.origins("GET", transport)[0] == origin  # later polls do not name it


async def test_the_origin_that_pythons_client_sends_by_itself_is_the_servers(relay: RecordingRelay) -> None:
    """The synchronous client's WebSocket names the server's own origin, as a browser on its page does."""
    client, done = socketio.Client(reconnection=False), asyncio.Event()
    loop = asyncio.get_running_loop()
    client.on("chat_complete", lambda _: loop.call_soon_threadsafe(done.set))
    await asyncio.to_thread(client.connect, relay.url, transports=["websocket"])
    await asyncio.to_thread(client.emit, "chat_stream", {"message": MESSAGE})
    await asyncio.wait_for(done.wait(), 10)
    await asyncio.to_thread(client.disconnect)
    assert relay.origins("GET", "websocket") == [relay.url]


@pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_python_on_behalf_of_another_page_may_not(relay: RecordingRelay, transport: str) -> None:
    asker = Asker()
    # engineio closes its session before it reads why it was refused: then aiohttp raises RuntimeError
    with pytest.raises((socketio.exceptions.ConnectionError, RuntimeError)):
        await asker.client.connect(relay.url, headers={"Origin": OTHER}, transports=[transport])
    del asker
    gc.collect()
    assert relay.origins("GET", transport) == [OTHER]


# -- npm's socket.io-client, in Chromium


def on_page(page: Page, origin: str, relay: RecordingRelay, transports: list[str]) -> Any:
    """What the client received on a page of that origin."""
    html = "<!doctype html><link rel=icon href=data:,><script src=/asker.js></script>"
    page.route(f"{origin}/asking", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.route(f"{origin}/asker.js", lambda route: route.fulfill(body=script(), content_type="text/javascript"))
    page.goto(f"{origin}/asking")
    return page.evaluate("([...words]) => window.ask(...words)", [relay.url, transports, MESSAGE])


_made: list[str] = []


def script() -> str:
    """js/asker.js with the client in it."""
    if not _made:
        _made.append(bundled("asker.js"))
    return _made[0]


@needs_chromium
@needs("socket.io-client", JS)
@pytest.mark.parametrize("whose", ["own", "allowed", "other"])
def test_a_page_in_chromium(browser: Browser, relay: RecordingRelay, whose: str) -> None:
    """Over WebSocket, over polling, and beginning with polling, as the client does by itself."""
    origin = {"own": relay.url, "allowed": ALLOWED, "other": OTHER}[whose]
    context = browser.new_context()
    try:
        page = context.new_page()
        for transports in WAYS:
            relay.sent.clear()
            answer = on_page(page, origin, relay, transports)
            last = transports[-1]
            if whose == "other":
                assert answer["terminal"] == "connect_error", answer
                assert set(relay.origins("GET", transports[0])) == {OTHER}
                continue
            assert (answer["terminal"], answer["tokens"], answer["transport"]) == ("chat_complete", 3, last)
            # a browser names its page's origin in each POST and each handshake of a WebSocket, and in a GET only where
            # it goes to another origin
            if "websocket" in transports:
                assert set(relay.origins("GET", "websocket")) == {origin}
            if "polling" in transports:
                assert set(relay.origins("GET", "polling")) == {"" if whose == "own" else origin}
                assert set(relay.origins("POST", "polling")) == {origin}
    finally:
        context.close()


@needs_chromium
def test_the_playground_of_such_a_server(browser: Browser, guarded: Site) -> None:
    with opened(browser, guarded.url) as watched:
        page = watched.page
        page.goto(guarded.url)
        page.locator("#socketio .state[data-state=connected]").wait_for()
        ask(page, MESSAGE)
        for transport in TRANSPORTS:
            wait_over(page, transport)
            expect(reply(page, transport)).to_have_text(re.compile(r"\S"))
