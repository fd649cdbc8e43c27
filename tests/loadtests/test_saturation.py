"""When a server falls behind for good, and when it only looks so."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from chatproof.loadtests.load_plan import Arrivals, LoadPlan
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.saturation import Overload, Saturation
from tests.loadtests.runs import EPOCH, stream

Server = Callable[[float], tuple[float, float]]
"""From when a stream begins, in the order in which they do: seconds to its first token, and to its end."""


def watched(server: Server, rate: float, seconds: int, *, seed: int = 0, poisson: bool = True) -> Overload | None:
    """What is noticed, second by second."""
    plan = LoadPlan(rate, seconds)
    streams = []
    for due in Arrivals(plan, poisson, seed).starts():
        first, whole = server(due)
        streams.append((due + whole, stream([first, whole], start=1.0 + due)))
    streams.sort(key=lambda one: -one[0])
    metrics, watch = Metrics(EPOCH), Saturation(plan, EPOCH + 1)
    for at in range(1, seconds):
        while streams and streams[-1][0] <= at:
            metrics.take(streams.pop()[1])
        if (found := watch.look(at, metrics)) is not None:
            return found
    return None


def queue(randoms: random.Random, service: float, spread: float = 0.2) -> Server:
    """Serves one stream after the other."""
    free = 0.0

    def serve(due: float) -> tuple[float, float]:
        nonlocal free
        begins = max(free, due)
        free = begins + service * randoms.lognormvariate(0, spread)
        return begins - due + 0.02, free - due

    return serve


def long_replies(randoms: random.Random, rate: float) -> Server:
    """Each takes 20 s or so; the more are open, the later their first token: up to three times as late."""

    def serve(due: float) -> tuple[float, float]:
        crowd = min(due, 20.0) * rate
        first = 0.1 * (1 + 2 * crowd / (20 * rate)) * randoms.lognormvariate(0, 0.3)
        return first, first + 20 * randoms.lognormvariate(0, 0.3)

    return serve


@pytest.mark.parametrize(("service", "latest"), [(0.4, 20), (0.2, 25), (0.125, 60)])
def test_a_queue_that_grows_for_good_is_noticed(service: float, latest: int) -> None:
    """Four, two and one and a quarter times as many streams begin as are served."""
    for seed in range(5):
        found = watched(queue(random.Random(seed), service), 10, 90, seed=seed)
        assert found is not None, seed
        assert found.at <= latest, seed
        assert found.ended < 0.9 * found.began
        assert found.earlier < found.later
        assert "streams began and" in found.to_json()["text"]


@pytest.mark.parametrize("part", [0.5, 0.8, 0.9])
def test_a_busy_server_that_keeps_up_is_not(part: float) -> None:
    for seed in range(10):
        assert watched(queue(random.Random(seed), part / 10), 10, 90, seed=seed) is None, seed


@pytest.mark.parametrize("rate", [2, 20])
def test_long_replies_that_pile_up_at_first_are_none(rate: float) -> None:
    for seed in range(5):
        assert watched(long_replies(random.Random(seed), rate), rate, 90, seed=seed) is None, seed


def test_what_the_client_itself_may_be_late_is_none() -> None:
    plan = LoadPlan(10, 60)
    metrics, watch = Metrics(EPOCH), Saturation(plan, EPOCH + 1)
    serve = queue(random.Random(1), 0.2)
    for due in Arrivals(plan).starts():
        first, whole = serve(due)
        if due + whole < 40:
            metrics.take(stream([first, whole], start=1.0 + due))
    watch.look(1, Metrics())
    watch._open = [(at, 5.0 * at) for at in range(1, 40)]
    assert watch.look(40, metrics, error=60.0) is None
    assert watch.look(40, metrics, error=0.1) is not None
