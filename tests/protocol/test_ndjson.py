"""The parser of NDJSON, and how a transcript reads lines."""

from __future__ import annotations

import pytest

from chatproof.harness.protocol.apis.api_table import read_table
from chatproof.harness.protocol.checks.strict_events import events_are_strict
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.ndjson_parser import NdjsonParser
from chatproof.harness.protocol.sse_parser import BadText, Comment, Item, Line, written
from chatproof.harness.protocol.transcript import End, Transcript, Transport

BODY = b'{"a": 1}\r\n\n [2]\n  \n{"b": "\xe2\x80\xa8 \xf0\x9f\x99\x82"}\n"last"'
TABLE = {
    "name": "lines",
    "path": "/ask",
    "framing": "ndjson",
    "body": {"q": "{message}"},
    "text": {"pointer": "/text"},
    "end": {"pointer": "/done", "equals": True},
    "error": {"pointer": "/error"},
}


def parsed(*chunks: bytes) -> list[Item]:
    parser = NdjsonParser()
    return [item for chunk in chunks for item in parser.feed(chunk)] + parser.close()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_come_whole_however_they_are_cut(size: int) -> None:
    items = parsed(*(BODY[start : start + size] for start in range(0, len(BODY), size)))
    lines = [item.data[0] for item in items if isinstance(item, Line)]
    assert lines == ['{"a": 1}', " [2]", '{"b": "\u2028 \U0001f642"}', '"last"']
    assert [type(item) for item in items] == [Line, Comment, Line, Comment, Line, Line]
    assert [item.start for item in items] == [0, *(item.end for item in items[:-1])]
    assert items[-1].end == len(BODY)


def test_only_a_line_feed_ends_a_line() -> None:
    """Not what Unicode takes for one, nor a lone carriage return."""
    assert [item.data[0] for item in parsed(b'"a\rb"\n"\xc2\x85"\n') if isinstance(item, Line)] == ['"a\rb"', '"\x85"']


def test_what_is_not_utf_8_is_told_and_kept() -> None:
    bad, line = parsed(b'"\xff"\n')
    assert isinstance(bad, BadText)
    assert "byte 1" in bad.why
    assert isinstance(line, Line)
    assert line.data == ('"\ufffd"',)


def test_a_byte_order_mark_is_no_text() -> None:
    assert [item.data[0] for item in parsed(b"\xef\xbb\xbf{}\n") if isinstance(item, Line)] == ["{}"]


def test_a_line_is_shown_as_it_stands() -> None:
    assert written(parsed(b'{"a": 1}\n')[0]) == '{"a": 1}\n'


def reply(*lines: bytes, status: int = 200, end: End = End.COMPLETE) -> Transcript:
    found = Transcript(Transport.SSE, api=read_table(TABLE))
    found.answered(0.0, status, [])
    for number, line in enumerate(lines, 1):
        found.read(float(number), line)
    found.ended(9.0, end)
    return found


def test_a_transcript_reads_lines_with_their_times() -> None:
    found = reply(b'{"text": "Hel', b'lo"}\n{"text": " you"}\n', b'{"done": true}')
    assert found.text == "Hello you"
    assert [(one.kind, one.began, one.at) for one in found.messages] == [
        (Kind.TOKEN, 1.0, 2.0),
        (Kind.TOKEN, 2.0, 2.0),
        (Kind.COMPLETION, 3.0, 3.0),
    ]
    assert found.is_success


def test_the_body_of_a_refusal_is_no_line_of_a_stream() -> None:
    found = reply(b'{"error": "no"}\n', status=503)
    assert not found.messages
    assert found.error_text == "no"
    assert "status 503" in found.outcome()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{\n", "is not JSON"),
        (b'{"text": "a"}{"text": "b"}\n', "is not JSON"),
        (b'data: {"text": "a"}\n', "is not JSON"),
        (b'{"speed": NaN}\n', "NaN"),
        (b'{"text": "\\ud800"}\n', "surrogate"),
        (b'{"text": "\xff"}\n', "invalid start byte"),
    ],
)
def test_a_line_that_a_client_cannot_parse_is_a_violation(line: bytes, says: str) -> None:
    (finding,) = events_are_strict(reply(b'{"text": "Hi"}\n', line, b'{"done": true}\n'))
    assert isinstance(finding, Violation)
    assert says in finding.seen


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b" \n", b"[]\n", b'"x"\n', b"null\n", b' {"x": 1} \r\n'])
def test_blank_lines_and_other_json_are_none(line: bytes) -> None:
    assert not events_are_strict(reply(line, b'{"text": "Hi"}\n', b'{"done": true}'))


def test_a_line_that_was_cut_off_is_not_the_servers_json() -> None:
    assert not events_are_strict(reply(b'{"text": "Hi"}\n', b'{"te', end=End.LEFT))
