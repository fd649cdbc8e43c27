"""What a session remembers, and when it forgets: in memory, and the same in a real Redis."""

import time
from collections.abc import Callable

import pytest
from redis import RedisError

from chatproof.reference_server.config import Config
from chatproof.reference_server.redis_sessions import RedisSessions, Sessions
from chatproof.reference_server.sessions import MemorySessions, SessionName
from tests.reference_server.redis import Redis

Make = Callable[..., Sessions]


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a store with the given limits."""
    if request.param == "memory":
        return lambda **limits: MemorySessions(Config(**limits))
    redis: Redis = request.getfixturevalue("redis")
    redis.empty()
    return lambda **limits: RedisSessions(Config(redis_url=redis.url, **limits))


def name(session_id: str, user: str | None = None) -> SessionName:
    return SessionName(user, session_id)


def messages(sessions: Sessions, session_id: str) -> int:
    summary = sessions.get(name(session_id))
    return summary.messages if summary else -1


def said(sessions: Sessions) -> list[str]:
    """What the session `a` remembers."""
    return [message["content"] for message in sessions.open(name("a")).history()]


def test_an_exchange_is_two_messages(make: Make) -> None:
    sessions = make()
    session = sessions.open(name("a"))
    session.add_exchange("hi \u2028 é", "hello")
    assert messages(sessions, "a") == 2
    assert said(sessions) == ["hi \u2028 é", "hello"]


def test_the_history_is_bounded_by_number_and_the_count_goes_on(make: Make) -> None:
    sessions = make(max_history=4)
    for number in range(3):
        sessions.open(name("a")).add_exchange(f"question {number}", f"answer {number}")
    assert said(sessions) == ["question 1", "answer 1", "question 2", "answer 2"]
    assert messages(sessions, "a") == 6


def test_the_history_is_bounded_by_size(make: Make) -> None:
    sessions = make(max_history_chars=1000)
    for letter in "abc":
        sessions.open(name("a")).add_exchange(letter * 200, letter * 200)
    assert [text[0] for text in said(sessions)] == ["b", "b", "c", "c"]
    sessions.open(name("a")).add_exchange("x" * 600, "y" * 600)
    assert said(sessions) == []


def test_ids_and_users_are_exact(make: Make) -> None:
    sessions = make()
    sessions.open(name("a")).add_exchange("hi", "hello")
    for other in (name("A"), name("a "), name("a", "ann"), name("a", "anonymous"), name("a", "")):
        assert sessions.get(other) is None
        assert sessions.open(other).history() == []
        assert sessions.delete(other)
    assert messages(sessions, "a") == 2


def test_the_session_unused_for_longest_gives_way(make: Make) -> None:
    sessions = make(max_sessions=2)
    for session_id in ("first", "second", "first", "third"):
        sessions.open(name(session_id))
        time.sleep(1.01 if session_id == "second" else 0)  # Redis orders by whole seconds, and then by key
    assert messages(sessions, "first") == 0
    assert messages(sessions, "second") == -1


def test_a_session_out_of_use_is_forgotten(make: Make) -> None:
    sessions = make(max_session_age=1)
    sessions.open(name("a")).add_exchange("hi", "hello")
    assert messages(sessions, "a") == 2
    time.sleep(1.1)
    assert messages(sessions, "a") == -1
    assert said(sessions) == []


def test_a_reply_that_outlives_its_session_brings_nothing_back(make: Make) -> None:
    sessions = make()
    running = sessions.open(name("a"))
    assert sessions.delete(name("a"))
    running.add_exchange("before", "the deletion")
    assert sessions.get(name("a")) is None
    sessions.open(name("a"))
    running.add_exchange("before", "the deletion")
    assert said(sessions) == []
    assert messages(sessions, "a") == 0
    assert not sessions.delete(name("b"))


def test_replies_at_the_same_time_lose_nothing(make: Make) -> None:
    sessions = make()
    running = [sessions.open(name("a")) for _ in range(5)]
    for number, session in enumerate(running):
        session.add_exchange(str(number), "reply")
    assert messages(sessions, "a") == 10
    assert said(sessions)[::2] == list("01234")


def test_a_redis_that_is_away_is_told() -> None:
    """In a way that does not show its password, since it ends in the log."""
    sessions = RedisSessions(Config(redis_url="redis://:secret@127.0.0.1:1"))
    for use in (sessions.open, sessions.get, sessions.delete):
        with pytest.raises(RedisError) as caught:
            use(name("a"))
        assert "secret" not in str(caught.value)
