"""The report: what is drawn, and what must never be in it. How it looks: tests/browser/test_load_report.py."""

from __future__ import annotations

import re

import pytest

from chatproof.harness.common.redaction import without_secrets
from chatproof.loadtests.client_error import Calibration, ClientError
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.objectives import parse_objectives
from chatproof.loadtests.readers.reading import StreamOutcome
from chatproof.loadtests.reporting.charts import (
    first_token_over_time,
    load_against_latency,
    percentile_curve,
    raster,
)
from chatproof.loadtests.reporting.load_report import page
from chatproof.loadtests.result import Result
from tests.loadtests.runs import a_run, stream

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


def test_it_fetches_nothing_and_runs_nothing() -> None:
    text = page(a_run())
    assert "<script" not in text
    assert re.findall(r"(?:src|href|url)\s*[=(]", text) == []
    assert "default-src 'none'" in text


def test_what_the_server_said_is_text_and_has_no_secrets() -> None:
    run = a_run()
    said = f"</li><script>alert(1)</script> sk-proj-abc123 Bearer {JWT}"
    run.metrics.details[f"error event: {said}"] += 1
    run.metrics.violations["TOK-01"] += 1
    run.metrics.examples["TOK-01"] = said
    run.meta |= {"url": "http://user:hunter22@127.0.0.1:1/<b>", "crew": {"lost": {"<i>w</i>": said}}}
    text = page(run)
    assert "<script" not in text
    assert "<b>/" not in text
    assert "<i>w" not in text
    for secret in ("sk-proj", "eyJ", "c2lnbmF0dXJl", "hunter22"):
        assert secret not in text, secret
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"token {JWT} was bad", "token [redacted] was bad"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
        ("key sk-live-0123456789 is wrong", "key [redacted] is wrong"),
        ("opaque s3cr3t here", "opaque [redacted] here"),
        ("a task-force of risk-takers asks", "a task-force of risk-takers asks"),
    ],
)
def test_redaction(said: str, left: str) -> None:
    assert without_secrets(said, ["s3cr3t"]) == left


def test_a_run_without_any_stream_is_a_page_too() -> None:
    text = page(Result.of({"url": "http://127.0.0.1:1"}, Metrics(), None, parse_objectives("ttft_p95<1s")))
    assert "No stream was sampled" in text
    assert "Nothing to draw" in text
    assert "not judged" in text


def test_the_raster_has_each_token_where_it_came() -> None:
    metrics = Metrics()
    metrics.take(stream([1.0, 2.0, 9.0]))
    path = re.findall(r'<path class="token c2" d="([^"]*)"', raster(metrics))
    starts = [int(one) for one in re.findall(r"M(\d+) ", path[0])]
    assert len(starts) == 3
    assert (starts[2] - starts[1]) / (starts[1] - starts[0]) == pytest.approx(7, rel=0.02)


def test_a_failed_stream_is_seen_in_the_raster() -> None:
    metrics = Metrics()
    metrics.take(stream([1.0, 2.0], StreamOutcome.CUT))
    assert 'class="token bad"' in raster(metrics)


def test_a_percentile_curve_ends_where_the_values_do() -> None:
    metrics = Metrics()
    for index in range(200):
        metrics.take(stream([(index + 1) / 100]))
    drawn = percentile_curve("ttft", "c1", metrics, ClientError.of(None, metrics))
    assert "p99<" in drawn
    assert "p99.9<" not in drawn, "two hundred values know no p99.9"
    band = percentile_curve("ttft", "c1", metrics, ClientError(0.05, 0.05, 0.1))
    assert 'class="band' in band
    assert "± 50 ms" in band


def test_calibration_is_told() -> None:
    run = a_run()
    run.calibration = Calibration("sse", 40, 80, 0.0005, 0.0021, 0.0001, 0.001, 0.0005, 0.31)
    assert "40 streams over sse: first token wrong by 0.50 ms (p50), 2.10 ms (p99)" in page(run)


def test_load_against_latency_is_drawn_where_the_load_changes() -> None:
    """In a closed loop of ten users, each second has the same load: no chart, instead of one column of dots."""
    constant, ramp = Metrics(), Metrics()
    for second in range(1, 31):
        for index in range(10):
            constant.take(stream([0.2, 0.99], start=second + index / 100))
        for index in range(second):
            ramp.take(stream([0.01 * second, 0.99], start=second + index / 100))
    for open_loop in (True, False):
        assert load_against_latency(constant, open_loop=open_loop) == ""
        drawn = load_against_latency(ramp, open_loop=open_loop)
        places = {float(x) for x in re.findall(r'<circle class="dot c1" cx="([\d.]+)"', drawn)}
        assert len(places) > 20, "the load grew by a stream each second"
    text = page(a_run(constant, arrivals={"loop": "closed", "shape": "constant", "peak": 10, "poisson": False}))
    assert "Load against latency" not in text
    assert "Time between tokens, over time" in text


def test_an_axis_has_one_unit_and_says_it_once() -> None:
    metrics = Metrics()
    for second, first in enumerate((2.4, 2.9, 3.7, 2.6, 0.1), 1):
        metrics.take(stream([first, first + 0.1], start=float(second)))
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", first_token_over_time(metrics))
    assert texts.count("s") == 1
    assert not [text for text in texts if "ms" in text]
    assert {"0", "1", "2", "3"} <= set(texts)
