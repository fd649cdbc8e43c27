"""The playground in a real browser, on a server that runs offline."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from chatproof.fake_providers.journal.control_client_sync import FakesSync
from tests.browser.chromium import Watched, needs_chromium
from tests.browser.playground import TRANSPORTS, ask, notice, number, panel, reply, wait_over
from tests.browser.site import Site

pytestmark = needs_chromium
transports = pytest.mark.parametrize("transport", TRANSPORTS)

PACED = "A train leaves the station on time, and every carriage follows the one before it down the line."

# The length of the newest reply as each frame of the screen shows it.
FRAMES = """(panel) => {
  window.lengths = [];
  const look = () => {
    const length = [...document.querySelectorAll(`#${panel} .reply`)].at(-1)?.textContent.length ?? 0;
    if (length !== window.lengths.at(-1)) window.lengths.push(length);
    requestAnimationFrame(look);
  };
  look();
}"""


def new_case() -> str:
    return uuid.uuid4().hex


@transports
def test_tokens_appear_one_by_one(page: Page, transport: str) -> None:
    page.evaluate(FRAMES, transport)
    ask(page, "scenario paced", to=transport)
    wait_over(page, transport)
    assert reply(page, transport).text_content() == PACED  # at once: tokens are shown when they come, not later
    page.wait_for_function(f"window.lengths.at(-1) === {len(PACED)}")
    lengths = page.evaluate("window.lengths")
    assert lengths == sorted(lengths)
    assert len(set(lengths)) >= 10, "20 tokens, 50 ms apart: far more pictures than that are expected"


def test_both_transports_answer_the_same_message_and_show_their_numbers(page: Page, journal: FakesSync) -> None:
    case = new_case()
    ask(page, f"scenario paced case {case}")
    for transport in TRANSPORTS:
        wait_over(page, transport)
        expect(reply(page, transport)).to_have_text(PACED)
        assert number(page, transport, "tokens") == "20"
        assert re.fullmatch(r"\d+ ms|[\d.]+ s", number(page, transport, "first"))
        duration, speed = number(page, transport, "duration"), number(page, transport, "speed")
        assert float(speed) == pytest.approx(20 / float(duration.removesuffix(" s")), rel=0.05)
        chart = panel(page, transport).get_by_role("img")
        expect(chart).to_have_attribute("aria-label", re.compile(r"^20 tokens arrived within "))
        ticks = chart.locator(".ticks").get_attribute("d")
        assert ticks is not None
        assert ticks.count("M") == 20
    assert len(journal.wait_ended(case)) == 2


@pytest.mark.parametrize("way", ["button", "Escape"])
@transports
def test_stop_cancels_the_provider(page: Page, journal: FakesSync, transport: str, way: str) -> None:
    case = new_case()
    ask(page, f"scenario minute case {case}", to=transport)
    expect(reply(page, transport)).to_contain_text("One minute")
    if way == "button":
        panel(page, transport).get_by_role("button", name="Stop").click()
    else:
        page.keyboard.press(way)
    (entry,) = journal.wait_ended(case, timeout=2.0)
    assert entry.ended in ("client_closed", "client_reset")
    expect(notice(page, transport, "stopped")).to_be_visible()
    expect(notice(page, transport, "error")).to_have_count(0)
    ask(page, "scenario three-tokens", to=transport)
    wait_over(page, transport)
    assert number(page, transport, "tokens") == "3"


@transports
def test_stop_works_before_the_first_token(page: Page, journal: FakesSync, transport: str) -> None:
    case = new_case()
    ask(page, f"scenario silent case {case}", to=transport)
    journal.wait_entries(case)
    page.keyboard.press("Escape")
    journal.assert_cancelled(case, within=5.0)
    expect(notice(page, transport, "stopped")).to_be_visible()


def test_stopping_one_leaves_the_other_alone(page: Page) -> None:
    ask(page, "scenario paced")
    expect(reply(page, "sse")).to_contain_text("A train")
    panel(page, "socketio").get_by_role("button", name="Stop").click()
    expect(notice(page, "socketio", "stopped")).to_be_visible()
    wait_over(page, "sse")
    expect(reply(page, "sse")).to_have_text(PACED)


@pytest.mark.parametrize(("script", "text"), [("server-error", ""), ("cut-mid", "Cut the rope")])
@transports
def test_a_provider_error_is_shown_as_one(page: Page, watched: Watched, transport: str, script: str, text: str) -> None:
    ask(page, f"scenario {script}", to=transport)
    error = notice(page, transport, "error")
    expect(error).to_be_visible()
    expect(error).to_have_attribute("role", "alert")
    assert error.locator("span").inner_text().strip()
    expect(reply(page, transport)).to_have_text(text)
    assert re.fullmatch(r"\d+ ms|[\d.]+ s", number(page, transport, "duration")), "the page knows when it ended"
    count, speed = number(page, transport, "tokens"), number(page, transport, "speed")
    assert (count, speed == "–") == (("3", False) if text else ("0", True))
    # A failure before the first token may be an HTTP status, which the browser writes on its console.
    watched.forgive_refusals()


def test_a_refusal_is_shown_as_one(page: Page, watched: Watched) -> None:
    page.get_by_label("Session", exact=True).fill("x" * 100_000)
    ask(page, "Hello!", to="sse")
    error = notice(page, "sse", "error")
    expect(error.locator("strong")).to_have_text(re.compile(r"Refused \(4\d\d\)"))
    assert error.locator("span").inner_text().strip()
    watched.forgive_refusals()


@transports
def test_html_in_tokens_is_text(page: Page, journal: FakesSync, transport: str) -> None:
    case = new_case()
    ask(page, f"scenario nasty case {case} <img src=x onerror=alert(1)>", to=transport)
    wait_over(page, transport)
    (entry,) = journal.wait_ended(case)
    assert reply(page, transport).evaluate("element => element.textContent") == entry.text
    assert "<script>alert('x')</script>" in entry.text
    expect(panel(page, transport).locator(".log").locator("script, b, img")).to_have_count(0)


def test_a_session_is_shown_deleted_and_begun_anew(page: Page, site: Site, watched: Watched) -> None:
    field, about = page.get_by_label("Session", exact=True), page.locator("#session-about")
    first = field.input_value()
    ask(page, "scenario hello", to="sse")
    wait_over(page, "sse")
    ask(page, "scenario hello", to="socketio")
    wait_over(page, "socketio")
    page.get_by_role("button", name="Show").click()
    count = httpx.get(f"{site.url}/api/chat/sessions/{first}", trust_env=False).json()["messages"]
    expect(about).to_have_text(re.compile(rf"^{count} messages, last at "))
    page.get_by_role("button", name="Delete").click()
    expect(about).to_have_text("Session deleted")
    page.get_by_role("button", name="Show").click()
    expect(about).to_have_class("error")
    expect(about).to_have_text(re.compile(r"^Refused \(404\): "))
    page.get_by_role("button", name="New").click()
    expect(about).to_have_text("")
    assert field.input_value() != first
    watched.forgive_refusals()


def test_scripts_are_suggested_offline(page: Page) -> None:
    page.get_by_role("group", name="Scripts of the fake provider").get_by_role("button", name="paced").click()
    expect(page.get_by_label("Message", exact=True)).to_have_value("scenario paced")


def test_a_jwt_goes_with_http_requests_only_when_given(page: Page, watched: Watched) -> None:
    page.get_by_text("Sign in").click()
    for jwt, sent in (("", None), ("some.jwt.here", "Bearer some.jwt.here")):
        page.get_by_label("JWT").fill(jwt)
        with page.expect_request("**/api/chat/sessions/*") as request:
            page.get_by_role("button", name="Show").click()
        assert request.value.header_value("authorization") == sent
        expect(page.locator("#session-about")).to_have_class("error")  # nothing was said in that session
    watched.forgive_refusals()


def test_a_screenshot(page: Page, tmp_path: Path) -> None:
    """`CHATPROOF_SCREENSHOTS=docs` makes the README's picture anew."""
    folder = Path(os.environ.get("CHATPROOF_SCREENSHOTS") or tmp_path)
    for script in ("cut-mid", "paced", "pairs"):
        ask(page, f"scenario {script}")
        for transport in TRANSPORTS:
            wait_over(page, transport)
    expect(page.locator("#session-about")).to_have_text(re.compile("^8 messages"))
    page.screenshot(path=folder / "playground.png")
    assert (folder / "playground.png").stat().st_size < 150_000
