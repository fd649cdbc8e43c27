"""What a session remembers, and when it forgets: in memory, and the same in a real Redis."""

import time
import tracemalloc
from collections.abc import Callable

import pytest
from redis import RedisError

from chatproof.reference_server import sessions as sessions_module
from chatproof.reference_server.redis_sessions import RedisSessions, Sessions, connect
from chatproof.reference_server.sessions import MAX_AGE, MAX_CHARS, MemorySessions, SessionName
from tests.reference_server.redis import Redis

Make = Callable[..., Sessions]


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a store with these limits."""
    if request.param == "memory":
        return lambda megabytes=100.0, max_age=MAX_AGE: MemorySessions(megabytes, max_age)
    redis: Redis = request.getfixturevalue("redis")
    redis.empty()
    return lambda megabytes=100.0, max_age=MAX_AGE: RedisSessions(connect(redis.url), megabytes, max_age)


def name(session_id: str, user: str | None = None) -> SessionName:
    return SessionName(user, session_id)


def messages(sessions: Sessions, session_id: str) -> int:
    summary = sessions.get(name(session_id))
    return summary.messages if summary else -1


def add(sessions: Sessions, session_id: str, message: str, reply: str) -> None:
    sessions.add_exchange(sessions.open(name(session_id)), message, reply)


def said(sessions: Sessions) -> list[str]:
    """What the session `a` remembers."""
    return [message["content"] for message in sessions.open(name("a")).history()]


def test_an_exchange_is_two_messages(make: Make) -> None:
    sessions = make()
    add(sessions, "a", "hi \u2028 é", "hello")
    assert messages(sessions, "a") == 2
    assert said(sessions) == ["hi \u2028 é", "hello"]


def test_the_history_is_bounded_by_number_and_the_count_goes_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "MAX_EXCHANGES", 2)
    sessions = make()
    for number in range(3):
        add(sessions, "a", f"question {number}", f"answer {number}")
    assert said(sessions) == ["question 1", "answer 1", "question 2", "answer 2"]
    assert messages(sessions, "a") == 6


def test_the_history_is_bounded_by_size(make: Make) -> None:
    sessions, fifth = make(), MAX_CHARS // 5
    for letter in "abc":
        add(sessions, "a", letter * fifth, letter * fifth)
    assert [text[0] for text in said(sessions)] == ["b", "b", "c", "c"]
    add(sessions, "a", "x" * 3 * fifth, "y" * 3 * fifth)
    assert said(sessions) == []


def test_ids_and_users_are_exact(make: Make) -> None:
    sessions = make()
    add(sessions, "a", "hi", "hello")
    for other in (name("A"), name("a "), name("a", "ann"), name("a", "anonymous"), name("a", "")):
        assert sessions.get(other) is None
        assert sessions.open(other).history() == []
        assert sessions.delete(other)
    assert messages(sessions, "a") == 2


def test_the_session_unused_for_longest_gives_way(make: Make) -> None:
    """Where three would take more than is allowed."""
    sessions = make(megabytes=0.1)
    for session_id in ("first", "second", "first", "third"):
        add(sessions, session_id, "x" * 15_000, "y" * 15_000)
    assert messages(sessions, "second") == -1
    assert messages(sessions, "third") == 2
    assert sessions.delete(name("third"))
    add(sessions, "fourth", "x" * 15_000, "y" * 15_000)
    assert messages(sessions, "first") == 4, "what is deleted takes nothing"


def test_a_session_that_alone_is_too_large_does_not_stay(make: Make) -> None:
    sessions = make(megabytes=0.1)
    add(sessions, "a", "x" * 90_000, "y" * 90_000)
    assert messages(sessions, "a") == -1
    add(sessions, "a", "hi", "hello")
    assert said(sessions) == ["hi", "hello"]


def test_all_sessions_together_take_what_is_allowed(make: Make, request: pytest.FixtureRequest) -> None:
    """Emoji, of which each takes four bytes; plain texts that one of them makes four times as large; empty sessions;
    and controls, which JSON writes with six characters."""
    megabytes = 2.0
    kinds = ("\U0001f600" * 20_000, "\U0001f600" + "plain " * 3_000, "", "\x01" * 4_000)
    sessions = make(megabytes=megabytes)
    in_memory = isinstance(sessions, MemorySessions)
    redis = None if in_memory else connect(request.getfixturevalue("redis").url)
    if in_memory:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0] if redis is None else redis.info("memory")["used_memory"]
        for kind, text in enumerate(kinds):
            for number in range(40 if text else 1_600):
                session = sessions.open(name(f"{kind}-{number}"))
                if text:
                    for _ in range(2):  # a copy: the same text twice would take no memory
                        sessions.add_exchange(session, f"{number}{text}", f"{text}{number}")
        after = tracemalloc.get_traced_memory()[0] if redis is None else redis.info("memory")["used_memory"]
    finally:
        tracemalloc.stop()
    assert megabytes / 2 < (after - before) / 1e6 < megabytes * 1.25
    assert messages(sessions, "3-39") == 4
    assert messages(sessions, "0-0") == -1


def test_a_session_out_of_use_is_forgotten_and_takes_nothing(make: Make) -> None:
    sessions = make(megabytes=0.1, max_age=1)
    add(sessions, "a", "x" * 40_000, "hello")
    assert messages(sessions, "a") == 2
    time.sleep(1.1)
    assert messages(sessions, "a") == -1
    assert said(sessions) == []
    add(sessions, "b", "x" * 40_000, "hello")
    assert messages(sessions, "a") == 0


def test_a_reply_that_outlives_its_session_brings_nothing_back(make: Make) -> None:
    sessions = make()
    running = sessions.open(name("a"))
    assert sessions.delete(name("a"))
    sessions.add_exchange(running, "before", "the deletion")
    assert sessions.get(name("a")) is None
    sessions.open(name("a"))
    sessions.add_exchange(running, "before", "the deletion")
    assert said(sessions) == []
    assert messages(sessions, "a") == 0
    assert not sessions.delete(name("b"))


def test_replies_at_the_same_time_lose_nothing(make: Make) -> None:
    sessions = make()
    running = [sessions.open(name("a")) for _ in range(5)]
    for number, session in enumerate(running):
        sessions.add_exchange(session, str(number), "reply")
    assert messages(sessions, "a") == 10
    assert said(sessions)[::2] == list("01234")


def test_a_redis_that_is_away_is_told() -> None:
    """In a way that does not show its password, since it ends in the log."""
    sessions = RedisSessions(connect("redis://:secret@127.0.0.1:1"), 100.0)
    for use in (sessions.open, sessions.get, sessions.delete):
        with pytest.raises(RedisError) as caught:
            use(name("a"))
        assert "secret" not in str(caught.value)
