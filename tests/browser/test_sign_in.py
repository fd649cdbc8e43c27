"""The playground on a server that knows users: the JWT goes with both transports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import httpx
import jwt
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Watched, needs_chromium
from tests.browser.playground import TRANSPORTS, ask, notice, number, wait_over
from tests.browser.site import Site, running

pytestmark = needs_chromium

SECRET: Final = "a-secret-of-the-tests-long-enough-for-HS256"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running({"JWT_SECRET": SECRET}) as server:
        yield server


def sign_in(page: Page, token: str) -> None:
    if not page.get_by_label("JWT").is_visible():
        page.get_by_text("Sign in").click()
    page.get_by_label("JWT").fill(token)


def test_both_transports_ask_as_the_user(page: Page, site: Site) -> None:
    sign_in(page, jwt.encode({"sub": "ada"}, SECRET, algorithm="HS256"))
    for transport in TRANSPORTS:
        ask(page, "scenario three-tokens", to=transport)
        wait_over(page, transport)
        assert number(page, transport, "tokens") == "3"
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#session-about")).to_have_text(re.compile("^4 messages"))
    # Nobody else sees that session: each of the two must have been asked with the token.
    session = page.get_by_label("Session", exact=True).input_value()
    assert httpx.get(f"{site.url}/api/chat/sessions/{session}", trust_env=False).status_code in (401, 403, 404)


def test_a_bad_token_is_refused_and_a_good_one_mends_it(page: Page, watched: Watched) -> None:
    sign_in(page, jwt.encode({"sub": "ada"}, "another-secret-that-is-long-enough-for-it", algorithm="HS256"))
    ask(page, "scenario three-tokens")
    for transport in TRANSPORTS:
        error = notice(page, transport, "error")
        expect(error.locator("strong")).to_contain_text("efused")
        assert error.locator("span").inner_text().strip()
    sign_in(page, "")
    ask(page, "scenario three-tokens")
    for transport in TRANSPORTS:
        wait_over(page, transport)
        assert number(page, transport, "tokens") == "3"
    watched.forgive_refusals()
