"""Which differences of two runs are regressions, and which runs cannot be compared."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from chatproof.loadtests.compare import draws
from chatproof.loadtests.histogram import Histogram
from chatproof.loadtests.load_command import main
from chatproof.loadtests.metrics import Metrics
from tests.loadtests.runs import a_run, metrics_of


def written(path: Path, metrics: Metrics, **meta: Any) -> str:
    a_run(metrics, **meta).write_json(path)
    return str(path)


def test_the_same_server_twice_is_no_regression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(tmp_path / "a.json", metrics_of(seed=1))
    for seed in range(2, 8):
        after = written(tmp_path / "b.json", metrics_of(seed=seed))
        assert main(["compare", before, after]) == 0, capsys.readouterr().out
    assert "nothing is worse" in capsys.readouterr().out


def test_a_slower_first_token_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(tmp_path / "a.json", metrics_of(seed=1))
    after = written(tmp_path / "b.json", metrics_of(seed=2, first=0.35))
    assert main(["compare", before, after]) == 1
    told = capsys.readouterr().out
    assert "WORSE: ttft_p50, ttft_p95" in told
    (row,) = [line for line in told.splitlines() if line.startswith("ttft_p50")]
    assert row.endswith("WORSE")
    assert main(["compare", before, after, "--threshold", "90"]) == 0, "a threshold forgives it"
    assert main(["compare", after, before]) == 0, "the other way round it is a gain"
    assert "better" in capsys.readouterr().out


def test_more_failures_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(tmp_path / "a.json", metrics_of(seed=1))
    after = written(tmp_path / "b.json", metrics_of(seed=1, cut=30))
    assert main(["compare", before, after]) == 1
    assert "WORSE: complete_share" in capsys.readouterr().out


def test_a_difference_within_the_clients_error_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Times of a few milliseconds, and clients that are wrong by as much."""
    before = written(tmp_path / "a.json", metrics_of(seed=1, first=0.004))
    after = written(tmp_path / "b.json", metrics_of(seed=2, first=0.006))
    assert main(["compare", before, after]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"transport": "socketio"}, "not comparable: sse against socketio"),
        ({"interrupted": True}, "was interrupted"),
        ({"crew": {"whole": False}}, "a worker's figures are missing"),
        ({"arrivals": {"loop": "closed", "shape": "constant", "peak": 10}}, "loop open"),
    ],
)
def test_runs_that_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict[str, Any], said: str
) -> None:
    before = written(tmp_path / "a.json", metrics_of(60))
    assert main(["compare", before, written(tmp_path / "b.json", metrics_of(60), **other)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read"),
        ("{", "is not a result document"),
        ("[]", "is not a result document"),
        (json.dumps({"format": 1}), "is not a result document"),
        (json.dumps({"format": 99}), "another version"),
    ],
)
def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str) -> None:
    before = written(tmp_path / "a.json", metrics_of(60))
    if text is not None:
        (tmp_path / "b.json").write_text(text)
    assert main(["compare", before, str(tmp_path / "b.json")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_too_few_streams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [written(tmp_path / f"{seed}.json", metrics_of(12, seed=seed)) for seed in (1, 2)]
    assert main(["compare", *files]) == 2
    assert "12 and 12 streams brought tokens" in capsys.readouterr().err


def test_a_draw_is_what_resampling_gives() -> None:
    """The Beta rank against resampling the values themselves, a thousand times each."""
    randoms = random.Random(9)
    values = [randoms.lognormvariate(0, 0.5) for _ in range(200)]
    histogram = Histogram()
    histogram.extend(values)
    quick = sorted(draws(histogram, 95, 200, randoms))
    plain = sorted(sorted(randoms.choices(values, k=200))[189] for _ in range(1000))
    for part in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert quick[int(part * 1000)] == pytest.approx(plain[int(part * 1000)], rel=0.06), part
