"""The reports of real runs: what they show, what they hide, and how they look in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.files import unwritable
from tests.browser.looks import CONTRASTS, LEAST_CONTRAST
from tests.suite.running import ASYNCIO, ERROR, FAIL, ROOT, XDIST, few_plugins, pytest_words, suite
from tests.suite.test_bad_input import judged

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCREENSHOTS = os.environ.get("CHATPROOF_SCREENSHOTS")  # a folder for docs/report.png
LARGEST_SCREENSHOT = 180_000  # bytes
HELD_BACK = "python -m tests.servers.run_server --variant held-back --port {port}"
LEAKING = "python -m tests.suite.leaking_server --port {port}"
KINDS = {"--report-json": "json", "--report-html": "html", "--report-md": "md", "--badge": "svg", "--junit-xml": "xml"}


@dataclass(frozen=True, slots=True)
class Reports:
    """What a run left."""

    files: dict[str, Path]
    output: str
    code: int

    def text(self, kind: str) -> str:
        return self.files[kind].read_text(encoding="utf-8")


def reports(folder: Path, *options: str, **variables: str) -> Reports:
    """Run the suite with every report."""
    files = {kind: folder / f"report.{kind}" for kind in KINDS.values()}
    command = [*pytest_words(ASYNCIO, XDIST), "conformance", *options]
    command += [word for option, kind in KINDS.items() for word in (option, str(files[kind]))]
    done = subprocess.run(
        command, cwd=ROOT, env=few_plugins(**variables), capture_output=True, text=True, timeout=150, check=False
    )
    return Reports(files, done.stdout + done.stderr, done.returncode)


@pytest.fixture(scope="module")
def buffered(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """A run against a server that holds every reply back until it is whole."""
    return reports(
        tmp_path_factory.mktemp("buffered"), "--provider", "openai", "--start", HELD_BACK, "--only", "SSE-01,SSE-06,TOK"
    )


@pytest.fixture(scope="module")
def leaked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reports, list[str]]:
    """A run of two processes against a server that tells its secrets, and what it told."""
    folder = tmp_path_factory.mktemp("leaked")
    told = folder / "told"
    found = reports(
        folder, "-n", "2", "--provider", "openai", "--start", LEAKING, "--only", "ERR-04,TOK-01", LEAKS_TO=str(told)
    )
    return found, told.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: the HTML report is not looked at")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, buffered: Reports) -> Iterator[Page]:
    """The report of the buffering server, open. A message on the console or a request fails the test."""
    page = browser.new_page(viewport={"width": 1120, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.extend([request.url] if not is_local(request.url) else []))
    page.goto(buffered.files["html"].as_uri())
    yield page
    page.close()
    assert not complaints


def is_local(url: str) -> bool:
    return url.startswith(("file:", "data:"))


# -- what a run against a broken server leaves


def test_every_report_tells_the_failure(buffered: Reports) -> None:
    assert buffered.code == FAIL, buffered.output
    rows = {row["id"]: row for row in json.loads(buffered.text("json"))["rows"]}
    assert rows["SSE-06"]["verdict"] == "violated"
    assert rows["TOK-01"]["verdict"] == "passed"
    assert "SSE\\-06" in buffered.text("md")
    assert "1 failed, 11 passed" in buffered.text("svg")
    for kind in ("svg", "xml"):
        ElementTree.fromstring(buffered.text(kind))


def test_a_failure_is_one_screen(buffered: Reports) -> None:
    screens = re.split(r"(?m)^(?=SSE-06 \(MUST\))", buffered.output.partition("= chatproof =")[0])[1:]
    assert screens
    for screen in screens:
        assert len(screen.splitlines()) <= 40
        assert re.search(r"seen: .*\n.*expected: .*\n  provider: plays .*\n.*wire:\n +\+0\.0 ms  > POST", screen)


def test_junit_says_what_was_judged(leaked: tuple[Reports, list[str]], buffered: Reports) -> None:
    """The rows, their levels and verdicts, the provider; under pytest-xdist too. No dumps of data."""
    for found, name in ((leaked[0], "ERR-04"), (buffered, "SSE-06")):
        cases = list(ElementTree.fromstring(found.text("xml")).iter("testcase"))
        of = [{one.get("name"): str(one.get("value")) for one in case.iter("property")} for case in cases]
        assert all({"requirements", "levels"} <= set(one) for one in of)
        assert any(one.get(f"verdict {name}") == "violated" and one["provider"] == "openai" for one in of)
        assert all(len(value) < 300 and "{" not in value for one in of for value in one.values())
        failures = [str(failure.text) for case in cases for failure in case.iter("failure")]
        assert any(name in text and "wire:" in text for text in failures)


def test_no_report_tells_a_secret(leaked: tuple[Reports, list[str]]) -> None:
    found, told = leaked
    assert found.code == FAIL, found.output
    assert len(told) == 6
    texts = {kind: found.text(kind) for kind in found.files} | {"console": found.output}
    assert "ERR-04" in texts["console"]
    for kind, text in texts.items():
        for secret in told:
            assert secret not in text, f"{kind} tells {secret}"
    for kind in ("json", "html", "md", "xml", "console"):
        assert "[redacted]" in texts[kind] or r"\[redacted\]" in texts[kind], kind


def test_a_report_that_cannot_be_written_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = ("--report-html", str(tmp_path / "file" / "report"), "--only", "TOK-01")
    judged(suite("--base-url", "http://127.0.0.1:9", *options), ERROR, "--report-html", "cannot write")


@pytest.mark.parametrize("option", ["--report-json", "--report-html", "--report-md", "--badge", "--server-log"])
def test_every_option_for_a_file_is_looked_at(option: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "report"
    given = {"base_url": "http://127.0.0.1:9", option[2:].replace("-", "_"): path}
    assert unwritable(Settings.read(given, contract())).startswith(f"{option}: cannot write {path}: ")


# -- how it looks


def test_the_verdict_and_the_failures_come_first(page: Page) -> None:
    assert page.locator("h1").inner_text().startswith("Failed http://127.0.0.1:")
    first = page.locator(".row").first
    assert first.get_attribute("data-verdict") == "violated"
    assert first.get_attribute("open") is not None
    assert page.locator(".row[data-verdict=passed][open]").count() == 0
    assert "characters had arrived" in first.locator("dd.seen").inner_text()


def test_buffering_is_seen(page: Page) -> None:
    """The provider's writes are spread over the picture, the client's reads are one clump, and lines that slant
    lead from these to those."""
    row = page.locator(".row[data-verdict=violated]").first
    picture = row.locator("svg.timeline").first
    spread = """
        (marks) => { const xs = marks.map((mark) => mark.getBoundingClientRect().x);
                     return [xs.length, Math.max(...xs) - Math.min(...xs)]; }"""
    writes, far = picture.locator("[data-lane=provider] [data-tokens]").evaluate_all(spread)
    reads, near = picture.locator("[data-lane=client] path.read").evaluate_all(spread)
    assert writes >= 8
    assert far > 400
    assert reads >= 1
    assert near < 20
    assert picture.locator("path.late").count() >= 5
    assert "tokens" in picture.locator("text.count").first.text_content()  # type: ignore[operator]


def test_rows_that_passed_have_a_picture_too(page: Page) -> None:
    """Folded, and drawn once where several rows were judged by one exchange."""
    row = page.locator(".row[data-verdict=passed]").first
    row.locator("summary").first.click()
    assert row.locator("svg.timeline, p.note").first.is_visible()


def test_the_filter(page: Page) -> None:
    visible = page.locator(".row:visible")
    everything = visible.count()
    page.locator("button[data-verdict=violated]").click()
    assert visible.count() == 1
    assert page.locator("#shown").inner_text() == f"1 of {everything} rows"
    page.locator("button[data-verdict=violated]").click()
    page.select_option("#group", "TOK")
    assert {name.partition("-")[0] for name in visible.evaluate_all("(all) => all.map((one) => one.id)")} == {"TOK"}
    page.select_option("#group", "")
    page.keyboard.press("/")
    page.keyboard.type("provider pauses")
    assert visible.count() == 1
    page.keyboard.press("Escape")
    assert visible.count() == everything


def test_a_row_opens_by_keyboard_and_by_its_address(page: Page) -> None:
    row = page.locator(".row[data-verdict=passed]").first
    row.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert row.get_attribute("open") is not None
    name = page.locator(".row[data-verdict=passed]").last.get_attribute("id")
    page.evaluate("(name) => { location.hash = name; }", name)
    page.wait_for_selector(f"[id='{name}'][open]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(page: Page, scheme: Any) -> None:
    """A contrast of 4.5 to 1 at least, as WCAG asks, against whatever lies behind."""
    page.emulate_media(color_scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 50
    assert not [(text, ratio) for text, ratio in found if ratio < LEAST_CONTRAST]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", background)[:3])) < 60) == (scheme == "dark")


def test_it_fits_a_phone_and_paper(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()


@pytest.mark.skipif(not SCREENSHOTS, reason="CHATPROOF_SCREENSHOTS names no folder")
def test_screenshot(page: Page) -> None:
    """The picture in the README."""
    path = Path(str(SCREENSHOTS)) / "report.png"
    page.set_viewport_size({"width": 960, "height": 850})
    page.get_by_role("heading", name="Failures", exact=True).evaluate("heading => scrollTo(0, heading.offsetTop - 70)")
    page.screenshot(path=path)
    assert path.stat().st_size < LARGEST_SCREENSHOT
