"""The search for the highest rate, on servers whose capacity is known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from chatproof.loadtests.client_error import Calibration
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.objectives import parse_objectives, stream_limits
from chatproof.loadtests.rate_search import Search, search
from chatproof.loadtests.readers.reading import StreamOutcome
from chatproof.loadtests.result import Result

OBJECTIVES = parse_objectives("ttft_p95<1s,complete_share>=99%")


def a_server(capacity: float, error: Callable[[float], float] = lambda rate: 0.0) -> Callable[[float], Result]:
    """First tokens take 1 s where the rate is the capacity. `error`: the client's, by rate."""

    def trial(rate: float) -> Result:
        metrics = Metrics(limits=stream_limits(OBJECTIVES))
        metrics.of("ttft").extend([rate / capacity] * 50)
        metrics.outcomes[StreamOutcome.COMPLETE] = 50
        wrong = error(rate)
        calibration = Calibration("sse", 1, 1, wrong, wrong, wrong, wrong, 0.0, 0.1)
        return Result.of({"url": "http://127.0.0.1:1"}, metrics, calibration, OBJECTIVES)

    return trial


def searched(trial: Callable[[float], Result], first: float = 1.0, most: float = 1000.0) -> tuple[Search, list[str]]:
    told: list[str] = []
    found = search(trial, first, most, tell=told.append)
    assert len(found.tried) == len(told) < 40
    json.dumps(found.to_json(), allow_nan=False)
    return found, told


@pytest.mark.parametrize("capacity", [1.02, 1.5, 7.7, 12.0, 63.0, 64.5, 444.4])
def test_the_result_is_a_rate_with_an_interval_that_holds_the_truth(capacity: float) -> None:
    found, told = searched(a_server(capacity))
    document = found.to_json()
    assert found.exit_code == 0
    assert document["low"] <= capacity <= document["high"]
    assert document["high"] - document["low"] <= 0.1 * document["high"]
    assert document["stopped_by"] == ["ttft_p95<1s"]
    assert found.answer == f"{document['low']:.3g} streams/s (between {document['low']:.3g} and {document['high']:.3g})"
    assert f"at {document['high']:.3g} streams/s it is missed: ttft_p95<1s: 1." in found.why
    assert any(line.startswith("1 streams/s: passed") for line in told)


@pytest.mark.parametrize("capacity", [3.0, 50.0])
def test_what_cannot_be_judged_lies_in_the_interval(capacity: float) -> None:
    """A client that is wrong by up to a fifth of a second: from 0.8 to 1.2 times the capacity it cannot say."""
    found, _ = searched(a_server(capacity, lambda rate: 0.2))
    document = found.to_json()
    assert found.exit_code == 0
    assert 0.65 * capacity < document["low"] <= 0.8 * capacity
    assert 1.2 * capacity <= document["high"] < 1.4 * capacity
    assert document["unsure"]
    assert all(0.8 * capacity <= one <= 1.2 * capacity for one in document["unsure"])
    assert "it cannot be judged: ttft_p95<1s: " in found.why
    assert "± 200 ms; the limit lies within the client's own error" in found.why


def test_a_client_that_fails_before_the_server_says_so() -> None:
    """Its own error grows with the rate; the result is the rate up to which it can say something."""
    found, _ = searched(a_server(1e9, lambda rate: rate / 30))
    assert found.exit_code == 0
    assert found.stop is None
    assert found.best is not None
    assert 25 < found.best.rate < 30
    assert found.answer == f"at least {found.best.rate:.3g} streams/s"
    assert "use fewer users" in found.why


def test_a_server_that_keeps_the_objectives_at_any_rate() -> None:
    found, _ = searched(a_server(1e9), most=48)
    assert found.exit_code == 0
    assert [one.rate for one in found.tried] == [1, 2, 4, 8, 16, 32, 48]
    assert found.answer == "at least 48 streams/s"
    assert found.why == "all objectives are kept at the highest rate, 48: raise --to"


def test_a_server_that_misses_them_at_once() -> None:
    found, _ = searched(a_server(0.2), first=2)
    assert found.exit_code == 1
    assert found.answer == "below 2 streams/s"
    assert found.why == "at 2 streams/s it is missed: ttft_p95<1s: 10.0 s"


def test_a_client_that_can_judge_nothing() -> None:
    found, _ = searched(a_server(5, lambda rate: 1e6))
    assert found.exit_code == 2
    assert [one.rate for one in found.tried] == [1, 2]
    assert found.answer == "not known"
    assert "at 1 to 2 streams/s it cannot be judged: ttft_p95<1s: 200 ms ± 1000000.0 s; the limit lies" in found.why


def test_a_server_that_falls_behind_is_missed_whatever_the_figures() -> None:
    def trial(rate: float) -> Result:
        result = a_server(1e9)(rate)
        if rate > 5:
            result.meta["overload"] = {"text": "they pile up"}
        return result

    found, _ = searched(trial)
    assert found.best is not None
    assert 4.4 < found.best.rate <= 5
    assert "it is missed: the server falls behind: they pile up" in found.why


def test_an_interrupted_search_has_no_verdict() -> None:
    def trial(rate: float) -> Result:
        result = a_server(1e9)(rate)
        result.meta["interrupted"] = rate > 2
        return result

    found, _ = searched(trial)
    assert (found.exit_code, found.why) == (2, "interrupted")


def test_the_table_has_the_rates_in_their_order() -> None:
    found, _ = searched(a_server(5))
    lines = found.table().splitlines()
    assert lines[0].split()[:4] == ["streams/s", "verdict", "ttft", "p50"]
    rates = [float(line.split()[0]) for line in lines[1:]]
    assert rates == sorted(rates)
    assert len(rates) == len(found.tried)
    assert math.isclose(rates[0], 1)
    assert "ttft_p95<1s: 1.60 s" in lines[-1]
