"""The text of a reply that was left and resumed: what counts as whole, and how a fault is told."""

from __future__ import annotations

import pytest

from chatproof.harness.protocol.apis.ai_sdk import AI_SDK
from chatproof.harness.protocol.checks.resumed import fault_of_pieces, last_event_id, text_of_whole_events
from chatproof.harness.protocol.transcript import End, Transcript, Transport

TEXT = "A train leaves the station on time, and every carriage follows."


@pytest.mark.parametrize(
    ("had", "got"),
    [
        (["A train"], " leaves the station on time, and every carriage follows."),
        (["A train"], TEXT),
        ([""], TEXT),
        (["A train", " leaves the"], " station on time, and every carriage follows."),
        (["A train", "A train leaves"], " the station on time, and every carriage follows."),
        (["A train", "A train leaves the station"], TEXT),
        ([TEXT], ""),
    ],
)
def test_a_text_is_whole(had: list[str], got: str) -> None:
    assert fault_of_pieces(had, got, TEXT) == ""


@pytest.mark.parametrize(
    ("had", "got", "words"),
    [
        (["A train"], "", "nothing of the rest came"),
        (["A train"], TEXT[26:], "19 characters between the two are lost: ' leaves the station'"),
        (["A train leaves"], TEXT[7:], "7 characters that it had came again"),
        (["A train"], TEXT + " follows.", "9 characters too many"),
        (["A train"], TEXT[:30], "33 characters are lost; the last stream: it ends after 30"),
        (["A train", " the station"], TEXT[34:], "15 characters are lost; all together: "),
        (["A train"], TEXT[7:30], "all together: it ends after 30"),
        (["A train"], "Something else entirely, which is longer, and not a word of it is the same.", "too many"),
    ],
)
def test_what_is_lost_or_doubled_is_told(had: list[str], got: str, words: str) -> None:
    assert words in fault_of_pieces(had, got, TEXT)


def stream(body: bytes) -> Transcript:
    """A stream that its client left."""
    transcript = Transcript(Transport.SSE, api=AI_SDK)
    transcript.read(0.0, body)
    transcript.ended(1.0, End.LEFT)
    return transcript


def delta(text: str) -> bytes:
    return b'data: {"type": "text-delta", "id": "0", "delta": "' + text.encode() + b'"}\n'


def test_an_event_without_its_end_does_not_count() -> None:
    left = stream(b"id: 1\n" + delta("A train") + b"\n" + b"id: 2\n" + delta(" leaves"))
    assert left.text == "A train leaves"
    assert text_of_whole_events(left) == "A train"
    assert last_event_id([left]) == "1"


def test_the_last_id_is_that_of_the_last_stream_that_has_one() -> None:
    first, second = stream(b"id: 7\ndata: {}\n\n"), stream(b"data: {}\n\n")
    assert last_event_id([first, second]) == "7"
    assert last_event_id([second]) == ""
    assert last_event_id([first, stream(b"id\ndata: {}\n\n")]) == ""
    assert last_event_id([stream(b"id: 7\ndata: {}\n\nid: a\0b\ndata: {}\n\n")]) == "7"
