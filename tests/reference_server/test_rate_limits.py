"""The window moves: any minute holds at most so many requests, in memory and in a real Redis."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from werkzeug.exceptions import TooManyRequests

from chatproof.reference_server.rate_limits import RateLimits
from chatproof.reference_server.redis_sessions import connect
from tests.reference_server.redis import Redis

KEY = "chatproof:limit:stream:127.0.0.1"
Later = Callable[[float], None]


def wait_of(limits: RateLimits, most: int = 30, address: str = "127.0.0.1", route: str = "stream") -> int:
    """The seconds that a refusal names; 0 where the request is accepted."""
    refusal = None
    try:
        limits.check(route, address, most)
    except TooManyRequests as error:
        refusal = error
    if not refusal:
        return 0
    assert f"{most} per minute" in str(refusal.description)
    assert isinstance(refusal.retry_after, int)
    assert 1 <= refusal.retry_after <= 60
    return refusal.retry_after


@pytest.fixture(params=["memory", "redis"])
def limits(request: pytest.FixtureRequest) -> list[RateLimits]:
    """Those of two workers; without Redis there is one only."""
    if request.param == "memory":
        return [RateLimits()] * 2
    redis: Redis = request.getfixturevalue("redis")
    redis.empty()
    return [RateLimits(connect(redis.url)) for _ in range(2)]


@pytest.fixture
def later(limits: list[RateLimits], monkeypatch: pytest.MonkeyPatch) -> Later:
    """Lets seconds pass: in Redis, whose clock is its own, what is stored becomes older."""

    def pass_(seconds: float) -> None:
        if store := limits[0]._redis:
            for member, score in store.zrange(KEY, 0, -1, withscores=True):
                store.zadd(KEY, {member: score - seconds})
        else:
            now = time.monotonic() + seconds
            monkeypatch.setattr(time, "monotonic", lambda: now)

    return pass_


def test_the_limit_holds_across_every_border(limits: list[RateLimits], later: Later) -> None:
    """30 just before a fixed window ends and 30 just behind would be 60 within seconds."""
    first, second = limits
    assert wait_of(first) == 0
    later(58)
    assert [wait_of(limits[number % 2]) for number in range(29)] == [0] * 29
    assert wait_of(second) == 2
    later(2.5)
    assert [wait_of(one) for one in (second, first)] == [0, 58]
    later(58)
    assert [wait_of(limits[number % 2]) for number in range(30)] == [0] * 29 + [2]


def test_refused_requests_do_not_count(limits: list[RateLimits], later: Later) -> None:
    assert [wait_of(limits[0], 2) for _ in range(10)] == [0, 0, *[60] * 8]
    later(60.1)
    assert wait_of(limits[0], 2) == 0


def test_routes_and_addresses_are_apart(limits: list[RateLimits]) -> None:
    assert wait_of(limits[0], 1) == 0
    assert wait_of(limits[1], 1) > 0
    assert wait_of(limits[0], 1, address="127.0.0.2") == 0
    assert wait_of(limits[0], 1, route="chat") == 0


def test_clients_that_have_gone_take_no_memory(monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
    limits = RateLimits()
    for number in range(1000):
        assert wait_of(limits, address=str(number)) == 0
    now = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert wait_of(limits) == 0
    assert len(limits._times) == 1
    shared = RateLimits(connect(redis.url))
    wait_of(shared)
    assert 0 < shared._redis.ttl(KEY) <= 60
