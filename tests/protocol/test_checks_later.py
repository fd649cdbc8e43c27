"""Later replies compared with a first one, on transcripts."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.harness.protocol.checks.later import answered_as, of_place
from chatproof.harness.protocol.checks.tok import text_is
from chatproof.harness.protocol.transcript import End, Transcript
from tests.protocol.kit import WORDS, completion, is_unjudged, socket, sound, sse, tokens, violated

SECOND = "the second exchange of a session"
BEFORE = ("A", " train")
TEXT = "".join(WORDS)


def reply(*words: str, **changes: Any) -> list[dict[str, Any]]:
    return [*tokens(*words), {**completion("".join(words), len(words)), **changes}]


def seen(second: Transcript, first: Transcript | None = None) -> list[str]:
    """What is said of a second reply, behind one that said `A train`."""
    before = sse(reply(*BEFORE))
    return violated(answered_as("SES-15", SECOND, first or sse(), [before], TEXT), second)


def test_a_reply_as_the_first_is_kept() -> None:
    assert seen(sse()) == []


def test_events_and_fields_of_the_first_reply_alone_are_legal() -> None:
    assert seen(sse(), sse([{"title": "Trains"}, *tokens(*WORDS), completion(first=True)])) == []


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([*tokens(*WORDS, start=3), completion(count=5)], "`count` begins at 3: it goes on from the 2"),
        ([*tokens(*WORDS), completion(count=5)], "`tokens` is 5, the sum of this reply's 3 and of those before it"),
        ([*tokens(*WORDS), completion(count=2)], "`tokens` is 2, that of an earlier reply; this one has 3"),
        (
            [{**one, "partial": "A train" + one["partial"]} for one in tokens(*WORDS)] + [completion()],
            "`partial` begins with the reply of an earlier exchange: 'A trainOne'",
        ),
        (
            [*tokens(*WORDS), completion("A train" + TEXT)],
            "`full_response` begins with the reply of an earlier exchange: 'A trainOne two three'",
        ),
        (reply(*BEFORE, *WORDS), "the reply begins with that of an earlier exchange: 'A train'"),
        (reply(*BEFORE), "the reply is that of an earlier exchange: 'A train'"),
        (reply(" train", *WORDS), "the reply begins with a part of an earlier one: ' train'"),
        (reply(*(word for word in WORDS for _ in range(2))), "each token came twice"),
        (reply("One", " two"), "it ends after 7 of its 13 characters"),
        ([*tokens(*WORDS), {**completion(), "user": None}], "user None"),
        ([*tokens(*WORDS), completion(), completion()], "2 completions"),
    ],
)
def test_what_differs_is_named(events: list[dict[str, Any]], said: str) -> None:
    found = seen(sse(events))
    assert found, events
    assert found[0].startswith(f"{SECOND}: {said}"), found


def test_a_reply_that_does_not_succeed_says_how_it_ended() -> None:
    assert seen(sse([{"error": "No."}])) == [f"{SECOND}: error event 'No.'"]
    check = answered_as("SES-15", SECOND, sse(), why="the provider refused the request: 'empty'")
    assert violated(check, sse([{"error": "No."}]))[0].endswith("'No.'; the provider refused the request: 'empty'")
    assert seen(sse(body=b"", status=500)) == [f"{SECOND}: status 500"]
    (one,) = seen(sse(tokens(*WORDS), end=End.TIMEOUT))
    assert one.startswith(f"{SECOND}: 3 tokens, no terminal event")


def test_what_the_first_reply_does_not_keep_either_is_left_to_its_own_row() -> None:
    wrong = [*tokens(*WORDS, start=0), completion(count=3)]
    assert seen(sse(wrong), sse(wrong)) == []


def test_without_a_first_reply_nothing_is_said() -> None:
    check = answered_as("SES-15", SECOND, sse([{"error": "No."}]), [], TEXT)
    assert is_unjudged(check, sse())


def test_a_cut_off_body_is_no_whole_reply() -> None:
    assert seen(sse(end=End.TRUNCATED, fault="cut off")) == [f"{SECOND}: cut off"]


def test_over_a_socket_the_same_is_seen() -> None:
    names = ["chat_token"] * 3 + ["chat_complete"]
    first = socket(zip(names, sound(), strict=True))
    again = socket([*zip(names, sound(), strict=True), ("chat_complete", completion())])
    check = answered_as("SIO-14", "the second request", first, [], TEXT)
    assert violated(check, first) == []
    assert violated(check, again)[0].startswith("the second request: 1 event after chat_complete")


def test_the_rest_of_a_stopped_reply_is_named() -> None:
    left = sse(tokens(*BEFORE), end=End.LEFT)
    check = answered_as("SES-15", SECOND, sse(), [left], TEXT, ["A train leaves the station."])
    (one, *_) = violated(check, sse(reply(" leaves the", *WORDS)))
    assert one == f"{SECOND}: the reply begins with a part of an earlier one: ' leaves the'"


def test_a_check_can_say_of_which_reply_it_speaks() -> None:
    check = of_place(SECOND, text_is("One"))
    assert check.id == "TOK-04"
    assert violated(check, sse())[0].startswith(f"{SECOND}: ' two three' was added")
