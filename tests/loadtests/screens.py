"""The Chromium that is installed, or a skip that says what to install."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def chromium(**context: Any) -> Iterator[Callable[[str], Any]]:
    """Gives a function that opens a page; a script that fails in a page fails the test."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    failures: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            pages = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **context})

            def opened(url: str) -> Any:
                page = pages.new_page()
                page.on("pageerror", lambda error: failures.append(str(error)))
                page.goto(url)
                return page

            yield opened
        finally:
            browser.close()
    assert not failures, failures
