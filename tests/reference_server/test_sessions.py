"""What a session remembers, and when it forgets."""

from reference_server.sessions import Sessions


def sessions(max_sessions: int = 3, max_history: int = 4) -> Sessions:
    return Sessions(max_sessions, max_history)


def test_an_exchange_is_two_messages_in_order() -> None:
    session = sessions().open("a")
    session.add_exchange("hi", "hello")
    assert session.messages == 2
    assert session.history() == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
    ]


def test_the_history_is_bounded_by_whole_exchanges_and_the_count_goes_on() -> None:
    session = sessions().open("a")
    for number in range(3):
        session.add_exchange(f"question {number}", f"answer {number}")
    assert [message["content"] for message in session.history()] == [
        "question 1",
        "answer 1",
        "question 2",
        "answer 2",
    ]
    assert session.messages == 6


def test_ids_are_exact() -> None:
    all_sessions = sessions()
    all_sessions.open("a").add_exchange("hi", "hello")
    assert all_sessions.open("A").messages == 0
    assert all_sessions.get("a ") is None


def test_the_session_unused_for_longest_gives_way() -> None:
    all_sessions = sessions(max_sessions=2)
    first = all_sessions.open("first")
    all_sessions.open("second")
    all_sessions.open("first")
    all_sessions.open("third")
    assert all_sessions.get("first") is first
    assert all_sessions.get("second") is None


def test_a_reply_that_outlives_its_session_brings_nothing_back() -> None:
    all_sessions = sessions()
    running = all_sessions.open("a")
    assert all_sessions.delete("a")
    running.add_exchange("before", "the deletion")
    assert all_sessions.get("a") is None
    assert all_sessions.open("a").history() == []
    assert not all_sessions.delete("b")
