"""Checks of what becomes of a reply's text: odd tokens, thoughts, empty replies, `full_response`."""

from __future__ import annotations

from chatproof.harness.protocol.apis.chat_stream.completion_checks import full_response_is_whole
from chatproof.harness.protocol.checks.end import ends_once, nothing_said_ends_once
from chatproof.harness.protocol.checks.tok import (
    parts_are,
    reply_is,
    text_is,
    thoughts_in,
    thoughts_stay_out,
    words_are,
)
from chatproof.harness.protocol.findings import violations
from chatproof.harness.protocol.transcript import End
from tests.protocol.kit import completion, is_kept, is_unjudged, socket, sse, tokens, violated

PARTS = {"blanks": "One two", "an equal token": " very very", "`0`": " 10."}
SAID = "".join(PARTS.values())
ERROR = {"error": "There was no answer."}


def test_the_part_that_is_not_whole_is_named() -> None:
    check = parts_are(PARTS, "TOK-09")
    assert is_kept(check, sse([*tokens(SAID), completion(SAID)]))
    assert violated(check, sse(tokens("Onetwo", " very very 10.")))[0].startswith("not as said: blanks: ' ' is missing")
    seen = violated(check, sse(tokens("One two very", " 10.")))[0]
    assert seen.startswith("not as said: an equal token: 'very ' is missing")
    assert "nothing of its 21 characters came" in violated(check, sse([ERROR]))[0]


def test_a_text_is_named_by_where_it_stood() -> None:
    assert violated(text_is("All", "TOK-07", "with `crlf`: "), sse(tokens("Al")))[0].startswith("with `crlf`: it ends")


def test_the_last_token_before_a_break_may_be_late() -> None:
    """Then the test is tried again alone; a text that differs, or breaks off without a break, is a fault at once."""
    check = words_are("Cut the rope", "ERR-03", 0.03)
    assert [one.late is not None for one in violations(check(sse(tokens("Cut", " the"))))] == [True]
    assert [one.late for one in violations(check(sse(tokens("Cut", " a", " rope"))))] == [None]
    assert [one.late for one in violations(words_are("Cut the", "ERR-03")(sse(tokens("Cut"))))] == [None]


def test_a_whole_text_may_be_followed_by_no_error() -> None:
    check = reply_is("All", "TOK-07", "with `no-parts`: ")
    assert is_kept(check, sse([*tokens("All"), completion("All", 1)]))
    seen = violated(check, sse([*tokens("All"), ERROR]))[0]
    assert seen == "with `no-parts`: the whole text came, and then: error event 'There was no answer.'"


def test_thoughts_are_found_by_their_sentences() -> None:
    thoughts = "**Reading**\n\nThe ferry leaves at nine. Then it\u00a0swims."
    assert thoughts_in("I know: The ferry  leaves at nine", thoughts) == "The ferry leaves at nine"
    assert thoughts_in("The ferry arrives.", thoughts) == ""
    check = thoughts_stay_out(thoughts)
    assert is_kept(check, sse(tokens("It arrives at ten.")))
    assert violated(check, sse(tokens("Then it swims", ". At ten.")))


def test_an_empty_reply_ends_in_a_completion_or_an_error() -> None:
    for events in ([completion("", 0)], [ERROR], [{"status": "thinking"}, ERROR]):
        assert is_kept(nothing_said_ends_once, sse(events))
    body = b'{"error": "There was no answer."}'
    assert is_kept(nothing_said_ends_once, sse(body=body, status=502))
    assert is_kept(nothing_said_ends_once, socket([("chat_stream_error", ERROR)]))


def test_an_empty_reply_that_ends_in_another_way_is_seen() -> None:
    assert "no terminal event" in violated(nothing_said_ends_once, sse(body=b": nothing\n\n"))[0]
    assert "status 502" in violated(nothing_said_ends_once, sse(body=b"Bad Gateway", status=502))[0]
    made_up = sse([*tokens("Sorry."), completion("Sorry.", 1)])
    assert violated(nothing_said_ends_once, made_up)[0].startswith("a token that the provider never said")
    twice = sse([completion("", 0), ERROR])
    assert violated(nothing_said_ends_once, twice)[0].startswith("1 event after the terminal event")


def test_a_reply_ends_once() -> None:
    check = ends_once("END-10")
    assert is_kept(check, sse([*tokens("All"), ERROR]))
    assert violated(check, sse([*tokens("All"), ERROR, completion("All", 1)]))
    assert violated(check, sse(tokens("All"), end=End.TIMEOUT))


def test_full_response_is_the_whole_text() -> None:
    said = "A  list:\n\n1. first\n"
    check = full_response_is_whole(said)
    assert is_kept(check, sse([*tokens(said), completion(said.strip(), 1)]))
    assert is_unjudged(check, sse(tokens(said)))
    collapsed = violated(check, sse([*tokens(said), completion("A list: 1. first", 1)]))[0]
    assert collapsed.startswith("full_response: its white space is not as said: ")
    assert "it ends after 8" in violated(check, sse([*tokens(said), completion("A  list:", 1)]))[0]


def test_a_text_that_was_lost_before_is_no_fault_of_full_response() -> None:
    assert is_kept(full_response_is_whole("All of it"), sse([*tokens("All"), completion("All", 1)]))
