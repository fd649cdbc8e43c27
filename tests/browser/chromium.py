"""The Chromium that is installed, driven by Playwright, and what its pages did besides what a test asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, sync_playwright

PROGRAM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_FLAGS: Final = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-proxy-server"),
)
_PATIENCE_MS: Final = 15_000.0  # a browser beside other tests on a small machine

needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="Chromium is not installed, which the browser tests need: apt-get install chromium"
)


@contextmanager
def launched(flags: Sequence[str] = ()) -> Iterator[Browser]:
    """A browser with an empty profile.

    While it is open the thread counts as running an event loop: no async test may run before its end.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=PROGRAM, args=[*_FLAGS, *flags], chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, what went wrong in it, and where it has sent requests."""

    page: Page
    errors: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda problem: self.errors.append(str(problem)))
        self.page.on("dialog", self._dialog)
        self.page.on("request", lambda request: self.origins.add(_origin(request.url)))
        self.page.on("websocket", lambda socket: self.origins.add(_origin(socket.url.replace("ws", "http", 1))))

    def forgive_refusals(self) -> None:
        """Forget the lines that the browser itself writes about answers of 4xx and 5xx."""
        self.errors[:] = [error for error in self.errors if "Failed to load resource" not in error]

    def _dialog(self, dialog: Dialog) -> None:
        self.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.text} ({message.location.get('url')})")


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Watched]:
    """An empty page in a profile of its own, to be sent to places on `url` only; judged when the test is over."""
    context = browser.new_context(viewport={"width": 1180, "height": 760})
    context.set_default_timeout(_PATIENCE_MS)
    try:
        watched = Watched(context.new_page())
        yield watched
        assert not watched.errors, watched.errors
        assert watched.origins <= {url}, f"a request has left the server's origin: {watched.origins}"
    finally:
        context.close()


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
