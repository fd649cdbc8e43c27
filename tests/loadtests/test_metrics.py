"""What is counted, and that parts of a run add up to the whole."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from chatproof.loadtests.client_error import Calibration, ClientError
from chatproof.loadtests.metrics import SAMPLED_STREAMS, Metrics
from chatproof.loadtests.objectives import DEFAULT, parse_objectives
from chatproof.loadtests.readers.reading import StreamOutcome
from chatproof.loadtests.reporting.load_report import page
from chatproof.loadtests.result import Result, load_metrics
from chatproof.loadtests.run_summary import summary
from tests.loadtests.runs import stream


def test_a_stream_becomes_figures() -> None:
    metrics = Metrics()
    metrics.take(stream([0.5, 0.6, 0.9, 1.0]))
    value = {name: histogram.percentile(50) for name, histogram in metrics.histograms.items() if histogram.count}
    assert value["ttft"] == pytest.approx(0.5, rel=1e-3)
    assert value["largest_gap"] == pytest.approx(0.3, rel=1e-3)
    assert value["inter_token"] == pytest.approx(0.1, rel=1e-3)
    assert value["end_to_end"] == pytest.approx(1.0, rel=1e-3)
    assert value["tokens_per_second"] == pytest.approx(4.0, rel=1e-3)
    assert value["time_per_output_token"] == pytest.approx(0.5 / 3, rel=1e-3)


def test_a_reply_that_failed_has_no_end_to_end_time() -> None:
    metrics = Metrics()
    metrics.take(stream([0.5, 0.6], StreamOutcome.CUT))
    assert not metrics.of("end_to_end").count
    assert not metrics.of("tokens_per_second").count
    assert metrics.of("ttft").count == 1
    assert metrics.complete_share == 0


def test_limits_and_users_who_leave_are_no_failures() -> None:
    metrics = Metrics()
    for outcome in (StreamOutcome.LIMITED, StreamOutcome.INTERRUPTED, StreamOutcome.UNFINISHED):
        metrics.take(stream([0.1], outcome))
    shares = [metrics.complete_share]
    metrics.take(stream([0.1, 0.2]))
    shares.append(metrics.complete_share)
    metrics.take(stream([0.1], StreamOutcome.RESET))
    shares.append(metrics.complete_share)
    assert shares == [None, 100, 50]
    assert metrics.failed == 1


def test_workers_shares_add_up_to_the_pool() -> None:
    """Three workers and one pool see the same streams."""
    randoms = random.Random(7)
    pool, parts = Metrics(), [Metrics() for _ in range(3)]
    times: list[float] = []
    for index in range(600):
        first = randoms.lognormvariate(-1, 0.7)
        times.append(first)
        reading = [first, first + 0.05, first + 0.1]
        start = 1.0 + index / 50
        pool.take(stream(reading, start=start))
        parts[index % 3].take(stream(reading, start=start))
    total = Metrics()
    for part in parts:
        total.merge(Metrics.from_json(json.loads(json.dumps(part.to_json()))))
    assert total.outcomes == pool.outcomes
    for name, histogram in pool.histograms.items():
        assert total.of(name).counts == histogram.counts, name
    assert {at: (one.started, one.tokens) for at, one in total.series.items()} == {
        at: (one.started, one.tokens) for at, one in pool.series.items()
    }
    exact = sorted(times)[int(len(times) * 0.95) - 1]
    assert total.of("ttft").percentile(95) == pytest.approx(exact, rel=1e-3)
    assert len(total.streams) == SAMPLED_STREAMS


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    metrics = Metrics()
    for index in range(20):
        metrics.take(stream([0.1 + index / 100, 0.3, 0.5]))
    calibration = Calibration("sse", 10, 20, 0.0005, 0.002, 0.0001, 0.001, 0.0005, 0.1)
    result = Result.of({"url": "http://127.0.0.1:1"}, metrics, calibration, parse_objectives(DEFAULT))
    result.write_json(tmp_path / "run.json")
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["verdict"] == "passed"
    assert document["metrics"]["ttft"]["error"] == 0.002
    assert document["objectives"][0]["verdict"] == "kept"
    again = load_metrics(document)
    assert again.of("ttft").percentile(95) == metrics.of("ttft").percentile(95)
    assert again.series.keys() == metrics.series.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    result.write_csv(str(tmp_path / "run"))
    rows = (tmp_path / "run_metrics.csv").read_text().splitlines()
    assert rows[0].startswith("metric,unit,count,mean,min,p1,")
    assert any(row.startswith("ttft,s,20,") for row in rows)
    assert "± 2.00 ms" in summary(result)


def test_figures_that_bundles_spoil_are_marked_and_not_judged() -> None:
    """A server that flushes every fifth event; beside it one that sends a few tokens together by chance."""
    for bundled, verdicts in ((4, ["not judged", "kept", "kept", "kept"]), (1, ["kept"] * 4)):
        metrics = Metrics()
        for _ in range(20):
            reading = stream([0.2 + 0.1 * (index // 5) for index in range(25)])
            reading.joined = 5 * bundled if bundled > 1 else 1
            metrics.take(reading)
        objectives = parse_objectives("inter_token_p95<1s,inter_token_mean<1s,largest_gap_p95<1s,ttft_p95<1s")
        result = Result.of({}, metrics, Calibration("sse", 1, 1, 0, 0, 0, 0, 0, 0), objectives)
        assert [str(one.verdict) for one in result.judged] == verdicts
        assert result.exit_code == (2 if bundled > 1 else 0)
        said = "80 % of the tokens came in one read with the token before"
        marked = (
            said in summary(result),
            said in page(result),
            bool(result.to_json()["metrics"]["inter_token"]["spoiled"]),
        )
        assert set(marked) == {bundled > 1}
        assert not result.to_json()["metrics"]["ttft"]["spoiled"]


def test_the_larger_of_both_errors_counts() -> None:
    metrics = Metrics()
    metrics.of("reader_lag").extend([0.0001] * 90 + [0.04] * 10)
    calibration = Calibration("sse", 10, 20, 0.0005, 0.002, 0.0001, 0.001, 0.0005, 0.1)
    assert ClientError.of(calibration, metrics).error("ttft", 1.0) == pytest.approx(0.04, rel=1e-3)
    assert ClientError.of(calibration, Metrics()).error("ttft", 1.0) == 0.002
    assert ClientError.of(None, Metrics()).error("ttft", 1.0) is None
