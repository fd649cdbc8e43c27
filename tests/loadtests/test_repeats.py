"""Several runs of the same load: what their figures say of the server, and how sure."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from chatproof.loadtests.client_error import Calibration
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.objectives import Objective, parse_objectives, stream_limits
from chatproof.loadtests.readers.reading import StreamOutcome
from chatproof.loadtests.repeats import together
from chatproof.loadtests.result import Result
from chatproof.loadtests.run_spread import RunSpread, student
from chatproof.loadtests.run_summary import summary
from tests.loadtests.runs import stream

TRUE_P95 = 0.3 * math.exp(0.4 * 1.6448536)


def one_run(randoms: random.Random, objectives: list[Objective], number: int = 0, **meta: Any) -> Result:
    """A run of 200 streams. Its first tokens are log-normal, and in each run all are some per cent slower or faster."""
    speed = randoms.gauss(1, 0.08)
    metrics = Metrics(limits=stream_limits(objectives))
    metrics.of("ttft").extend(speed * 0.3 * randoms.lognormvariate(0, 0.4) for _ in range(200))
    metrics.outcomes[StreamOutcome.COMPLETE] = 200
    given = {"url": "http://127.0.0.1:1", "started": 100.0 * number, "seconds": 60.0, "interrupted": False}
    return Result.of({**given, **meta}, metrics, None, objectives)


def test_the_interval_over_five_runs_holds_the_truth() -> None:
    """In 95 of 100 sets on average; of 40, in 36 to 40. And it is no wider than it must be."""
    objectives = parse_objectives(f"ttft_p95<{TRUE_P95:.6f}s")
    held, widths = 0, []
    for seed in range(40):
        randoms = random.Random(seed)
        runs = [one_run(randoms, objectives, number) for number in range(5)]
        document = json.loads(json.dumps(together(runs, objectives, provider=False).to_json()))
        p95 = document["repeats"]["figures"]["ttft"]["p95"]
        holds = p95["low"] <= TRUE_P95 <= p95["high"]
        held += holds
        widths.append((p95["high"] - p95["low"]) / p95["mean"])
        assert len(p95["values"]) == 5
        assert document["verdict"] == ("not judged" if holds else document["verdict"])
        assert (document["exit_code"] == 2) == holds
    assert 36 <= held <= 40
    assert 0.1 < sorted(widths)[20] < 0.3


def test_students_quantiles() -> None:
    """As printed in any table of them."""
    found = [student(degrees) for degrees in (1, 2, 3, 4, 9, 10, 30, 99)]
    assert found == pytest.approx([12.7062, 4.3027, 3.1824, 2.7764, 2.2622, 2.2281, 2.0423, 1.9842], abs=1e-4)


def test_one_value_has_no_interval() -> None:
    one = RunSpread.of([3.0])
    assert (one.mean, one.low, one.high) == (3.0, -math.inf, math.inf)
    assert json.loads(json.dumps(one.to_json())) == {"mean": 3.0, "low": None, "high": None, "values": [3.0]}
    with pytest.raises(ValueError, match="no values"):
        RunSpread.of([])


def test_all_runs_are_one_document() -> None:
    objectives = parse_objectives("ttft_p95<2s,complete_share>=99%,goodput_share>=1%")
    runs = []
    for number in range(3):
        metrics = Metrics(limits=stream_limits(objectives))
        for index in range(20):
            metrics.take(stream([0.2 + number / 100, 1.5], start=1.0 + index))
        meta = {"url": "", "started": 100.0 * number, "seconds": 30.0, "interrupted": False, "warm_up": 0.0}
        crew = {"begun": {}, "lost": {}, "refused": {}, "whole": number != 1}
        arrivals = {"loop": "open", "shape": "constant", "peak": 1, "duration": 20, "poisson": False}
        meta |= {"crew": crew, "arrivals": arrivals, "workers": 2}
        calibration = Calibration("sse", 1, 1, 0.001, 0.002, 0.001, 0.002, 0.001, 0.1)
        runs.append(Result.of(meta, metrics, calibration, objectives))
    result = together(runs, objectives, provider=False)
    assert [str(one.verdict) for one in result.judged] == ["kept", "kept", "kept"]
    assert result.exit_code == 2, "a worker's figures are missing in one of the runs"
    document = result.to_json()
    assert document["outcomes"] == {"complete": 60}
    assert document["meta"]["seconds"] == 230
    assert document["goodput"]["seconds"] == 60
    assert [one["objectives"]["ttft_p95<2s"] for one in document["repeats"]["each"]] == pytest.approx(
        [0.2, 0.21, 0.22], rel=1e-3
    )
    figures = document["repeats"]["figures"]
    assert figures["goodput_rate"]["value"]["values"] == [1.0, 1.0, 1.0]
    half = 4.3027 * 0.01 / math.sqrt(3)
    assert document["objectives"][0]["error"] == pytest.approx(half + 0.002, rel=0.02)
    said = summary(result)
    assert "over 3 runs: the mean, and between which values it lies (95 % sure)" in said
    assert "runs: passed (20 streams), not judged (20 streams), passed (20 streams)" in said
