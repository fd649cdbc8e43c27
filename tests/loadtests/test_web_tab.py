"""The tab in Locust's web UI, as a person sees it: in Chromium, while a run goes on, and when it is over."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chatproof.harness.common.started_server import free_port
from tests.browser.looks import CONTRASTS, LEAST_CONTRAST
from tests.loadtests.kit import HEAD, chunk, event, playing, spawned, steady, wait_for_port
from tests.loadtests.screens import chromium

ROOT = Path(__file__).parents[2]


@contextmanager
def locust_with_ui(host: str, *words: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--host", host]
    command += ["--web-host", "127.0.0.1", "--web-port", str(port), "--stop-timeout", "2", *words]
    with spawned(command) as process:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}"


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def test_the_tab_shows_charts_figures_and_downloads() -> None:
    with playing(*steady()) as target, locust_with_ui(target.url) as ui, chromium() as open_page:
        page = open_page(ui)
        page.get_by_label("Number of users").fill("4")
        page.get_by_label("Ramp up").fill("4")
        page.get_by_role("button", name=re.compile("^start", re.IGNORECASE)).click()
        page.get_by_role("tab", name="Streams").click()
        page.wait_for_selector('svg[data-chart="Time to first token"] polyline', timeout=20_000)
        page.wait_for_function("document.querySelectorAll('table tbody tr').length >= 4", timeout=20_000)
        assert page.locator("#chatproof-charts svg").count() == 4
        assert "complete" in page.locator("#chatproof-outcomes").inner_text()
        rows = page.locator("table tbody tr").all_inner_texts()
        assert any(row.startswith("time to first token") and " ms" in row for row in rows), rows
        said = page.locator("#chatproof-charts").inner_text()
        texts = [one for one in page.evaluate(CONTRASTS) if one[0] in said]
        assert len(texts) > 20
        assert [one for one in texts if one[1] < LEAST_CONTRAST] == []
        # live: the charts go on by themselves
        drawn = "document.querySelector('svg[data-chart=\"Tokens per second\"] polyline').getAttribute('points')"
        before = page.evaluate(drawn)
        page.wait_for_function(f"{drawn} !== {json.dumps(before)}", timeout=20_000)
        if folder := os.environ.get("CHATPROOF_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / "load-tab.png", full_page=True)
        page.get_by_role("tab", name="Charts").click()
        page.wait_for_selector("#chatproof-charts", state="hidden", timeout=5_000)
        page.get_by_role("button", name=re.compile("^stop", re.IGNORECASE)).click()
        give_up = time.monotonic() + 20
        while json.loads(fetched(f"{ui}/stats/requests"))["state"] != "stopped":
            assert time.monotonic() < give_up
            time.sleep(0.2)
        page.get_by_role("tab", name="Download Data").click()
        page.get_by_role("link", name="Download stream result JSON").wait_for(timeout=10_000)
        _downloads(ui)


def _downloads(ui: str) -> None:
    document = json.loads(fetched(f"{ui}/chatproof/result.json"))
    complete = document["outcomes"]["complete"]
    assert document["metrics"]["ttft"]["count"] >= complete > 4
    table: list[Any] = list(csv.DictReader(io.StringIO(fetched(f"{ui}/chatproof/metrics.csv"))))
    assert next(int(row["count"]) for row in table if row["metric"] == "ttft") == document["metrics"]["ttft"]["count"]
    seconds = list(csv.DictReader(io.StringIO(fetched(f"{ui}/chatproof/series.csv"))))
    assert sum(int(row["tokens"]) for row in seconds) == sum(one["tokens"] for one in document["series"])
    assert f'chatproof_load_streams_total{{outcome="complete"}} {complete}\n' in fetched(f"{ui}/chatproof/metrics")
    assert "<svg" in fetched(f"{ui}/chatproof/report.html")


def test_what_the_server_said_is_no_markup() -> None:
    """An error's text and its key reach the page as text, and without the key."""
    said = event({"error": "<img src=x onerror=document.title='owned'> sk-verysecret123"})
    with playing(HEAD, 0.05, chunk(said) + b"0\r\n\r\n") as target:
        words = ["--autostart", "-u", "1", "--think", "0.2"]
        with locust_with_ui(target.url, *words) as ui, chromium() as open_page:
            page = open_page(f"{ui}/?tab=chatproof")
            page.wait_for_function("document.body.innerText.includes('error event')", timeout=20_000)
            assert page.title() == "Locust"
            report = open_page(f"{ui}/chatproof/report.html")
            assert report.title() == "chatproof load: missed"
            assert "onerror=document.title" in report.inner_text("body")
            assert "verysecret" not in fetched(f"{ui}/chatproof/report.html") + fetched(f"{ui}/chatproof/result.json")
