"""The fast parsers say what the strict ones say, for every stream and every way to cut it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.protocol.apis.api import Framing
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.transcript import End, Transport
from chatproof.loadtests.readers.http_response import NotHttp, read_body, read_head
from chatproof.loadtests.readers.reading import StreamOutcome, understand
from chatproof.loadtests.readers.stream_recording import StreamRecording
from chatproof.loadtests.readers.strict import transcript_of
from chatproof.loadtests.readers.websocket_frames import TEXT, BadFrame, FrameDecoder
from tests.loadtests.kit import HEAD, LAST, chunk, done, event, token
from tests.servers.apis.tables import LINES

TEXTS = st.text(max_size=12)
OBJECTS = st.one_of(
    st.builds(lambda text, n: {"token": text, "count": n, "partial": text}, TEXTS, st.integers(0, 9)),
    st.builds(lambda text, n: {"count": n, "token": text, "partial": text}, TEXTS, st.integers(0, 9)),
    st.builds(lambda text: {"token": '"done"' + text, "partial": '{"error": 1}'}, TEXTS),
    st.builds(lambda text: {"token": text, "error": None}, TEXTS),
    st.builds(lambda text: {"token": text, "error": "x"}, TEXTS),
    st.builds(lambda text: {"token": text, "done": True}, TEXTS),
    st.just({"token": None}),
    st.just({"meta": {"token": "a"}}),
    st.just({"done": False, "usage": 3}),
    st.just({"done": True, "tokens": 1}),
    st.builds(lambda text: {"error": text}, TEXTS),
)
STYLES = st.tuples(st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(), st.booleans())


def written(body: dict[str, Any], style: tuple[str, bool, bool, bool]) -> bytes:
    """One event: line end, ASCII only, compact, with a comment and other fields around."""
    end, ascii_only, compact, decorated = style
    text = json.dumps(body, ensure_ascii=ascii_only, separators=(",", ":") if compact else None)
    before = f": hm{end}id: 7{end}retry: 5{end}" if decorated else ""
    space = "" if compact and decorated else " "
    return f"{before}data:{space}{text}{end}{end}".encode("utf-8", "surrogatepass")


def recorded(raw: bytes, cuts: list[int], end: End = End.COMPLETE) -> StreamRecording:
    """The bytes cut there, a read each 10 ms."""
    recording = StreamRecording(Transport.SSE, 1.0)
    places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    for index, (start, stop) in enumerate(pairwise(places)):
        recording.append(1.01 + index / 100, raw[start:stop])
    recording.ended(99.0, end)
    return recording


@given(
    st.lists(st.tuples(OBJECTS, STYLES), max_size=12), st.lists(st.integers(0, 5000), max_size=25), st.integers(1, 80)
)
def test_sse_times_agree_with_the_strict_parser(
    events: list[tuple[dict[str, Any], tuple[str, bool, bool, bool]]], cuts: list[int], size: int
) -> None:
    body = b"".join(written(*one) for one in events)
    chunks = b"".join(chunk(body[start : start + size]) for start in range(0, len(body), size))
    recording = recorded(HEAD + chunks + LAST, cuts)
    reading, transcript = understand(recording), transcript_of(recording)
    assert reading.token_times == [message.at for message in transcript.tokens if message.text]
    assert reading.text == transcript.text
    terminal = transcript.terminal
    assert reading.terminal_at == (terminal.at if terminal else None)
    if terminal is None:
        assert reading.outcome is StreamOutcome.NO_TERMINAL
    elif terminal.kind is Kind.ERROR:
        assert reading.outcome is StreamOutcome.ERROR_EVENT
    else:
        assert reading.outcome in (StreamOutcome.COMPLETE, StreamOutcome.VIOLATION)


OPENAI = st.one_of(
    st.builds(lambda text: {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}, TEXTS),
    st.builds(lambda text: {"choices": [{"index": 0, "delta": {"reasoning_content": text}}]}, TEXTS),
    st.builds(lambda text: {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}, TEXTS),
    st.just({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}),
    st.just({"choices": [], "usage": {"completion_tokens": 3}}),
    st.builds(lambda text: {"error": {"message": text}}, TEXTS),
)
AI_SDK_PARTS = st.one_of(
    *(
        st.builds(lambda text, kind=kind: {"type": kind, "id": "0", "delta": text}, TEXTS)
        for kind in ("text-delta", "reasoning-delta")
    ),
    *(st.just({"type": kind}) for kind in ("start", "text-start", "finish", "abort", "error")),
)
AG_UI_EVENTS = st.one_of(
    *(
        st.builds(lambda text, kind=kind: {"type": kind, "messageId": "0", "delta": text}, TEXTS)
        for kind in ("TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CHUNK", "REASONING_MESSAGE_CONTENT")
    ),
    *(st.just({"type": kind}) for kind in ("RUN_STARTED", "RUN_FINISHED", "RUN_ERROR")),
)
LINES_EVENTS = st.one_of(
    st.builds(lambda text: {"kind": "answer", "all": text}, TEXTS),
    st.just({"ready": True}),
    st.just({"broken": {"because": "x"}}),
)


@given(st.data())
@pytest.mark.parametrize(
    ("word", "events"),
    [("openai-chat", OPENAI), ("ai-sdk", AI_SDK_PARTS), ("ag-ui", AG_UI_EVENTS), (LINES, LINES_EVENTS)],
)
def test_other_apis_are_read_as_the_strict_parser_reads_them(
    word: str, events: st.SearchStrategy[dict[str, Any]], data: st.DataObject
) -> None:
    api = ApiChoice.of({"api_name": word}).api
    bodies = data.draw(st.lists(st.tuples(events, STYLES), max_size=12))
    if api.framing is Framing.SSE:
        raw = b"".join(written(*one) for one in bodies) + b"data: [DONE]\n\n"
    else:
        raw = b"".join(json.dumps(body).encode() + style[0].encode() for body, style in bodies)
    recording = recorded(HEAD + chunk(raw) + LAST, data.draw(st.lists(st.integers(0, 5000), max_size=25)))
    recording.api = api
    reading, transcript = understand(recording), transcript_of(recording)
    assert reading.token_times == [message.at for message in transcript.tokens if message.text]
    assert reading.text == transcript.text
    assert reading.terminal_at == (transcript.terminal.at if transcript.terminal else None)


@pytest.mark.parametrize(
    ("word", "thought", "said"),
    [
        (
            "openai-chat",
            {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]},
            {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]},
        ),
        (
            "ai-sdk",
            {"type": "reasoning-delta", "id": "0", "delta": "hm"},
            {"type": "text-delta", "id": "1", "delta": "hi"},
        ),
        (
            "ag-ui",
            {"type": "REASONING_MESSAGE_CONTENT", "messageId": "0", "delta": "hm"},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": "hi"},
        ),
    ],
)
def test_a_thought_is_no_first_text(word: str, thought: dict[str, Any], said: dict[str, Any]) -> None:
    recording = StreamRecording(Transport.SSE, 1.0, api=ApiChoice.of({"api_name": word}).api)
    for at, part in ((1.1, HEAD), (1.2, chunk(event(thought))), (3.0, chunk(event(said))), (3.1, LAST)):
        recording.append(at, part)
    recording.ended(3.1, End.COMPLETE)
    reading = understand(recording)
    assert reading.first_token == pytest.approx(2.0)
    assert (reading.text, len(reading.token_times)) == ("hi", 1)


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b'data: {"token": "a"',
        b"data: [1]",
        b"Traceback (most recent call last):",
        b'{"token": "a"}',
        b"data",
    ],
)
def test_what_is_no_stream_is_a_violation(line: bytes) -> None:
    body = b'data: {"token": "a", "count": 1, "partial": "a"}\n\n' + line + b"\n\n"
    body += b"data: " + json.dumps(done(1)).encode() + b"\n\n"
    reading = understand(recorded(HEAD + chunk(body) + LAST, [100]))
    assert reading.outcome is StreamOutcome.VIOLATION, reading
    assert reading.detail


def test_one_read_with_several_tokens_is_marked() -> None:
    events = b"".join(chunk(written(token(n), ("\n", True, False, False))) for n in (1, 2, 3))
    end = chunk(written(done(3), ("\n", True, False, False))) + LAST
    reading = understand(recorded(HEAD + events + end, [len(HEAD)]))
    assert reading.outcome is StreamOutcome.COMPLETE
    assert reading.joined == 2


@given(st.binary(max_size=200), st.integers(1, 50))
def test_chunks_give_back_the_body(body: bytes, size: int) -> None:
    chunks = b"".join(chunk(body[start : start + size]) for start in range(0, len(body), size))
    raw = HEAD + chunks + LAST
    head = read_head(raw)
    assert head is not None
    whole = read_body(head, raw, [raw[:9], raw[9:]], closed=False)
    assert (whole.data, whole.whole, whole.ends[-1]) == (body, True, len(body))
    for cut in range(head.size, len(raw) - 1):
        assert not read_body(head, raw[:cut], [raw[:cut]], closed=True).whole


def test_framing_that_lies_is_seen() -> None:
    raw = HEAD + b"5\r\nabcdefgh\r\n" + LAST
    head = read_head(raw)
    assert head is not None
    assert "longer than its size line says" in read_body(head, raw, [raw], closed=True).fault
    with pytest.raises(NotHttp):
        read_head(b"SSH-2.0-OpenSSH\r\n")


@given(st.lists(st.text(max_size=300), max_size=10), st.lists(st.integers(0, 4000), max_size=20), st.booleans())
def test_frames_agree_with_wsproto(texts: list[str], cuts: list[int], fragmented: bool) -> None:
    server, client = WSConnection(ConnectionType.SERVER), WSConnection(ConnectionType.CLIENT)
    server.receive_data(client.send(Request(host="x", target="/")))
    list(server.events())
    client.receive_data(server.send(AcceptConnection()))
    list(client.events())
    raw = b""
    for text in texts:
        if fragmented:
            raw += server.send(TextMessage(data=text[:5], message_finished=False))
            raw += server.send(TextMessage(data=text[5:]))
        else:
            raw += server.send(TextMessage(data=text))
    places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    frames, found = FrameDecoder(), []
    for start, stop in pairwise(places):
        found += list(frames.feed(raw[start:stop]))
    assert found == [(TEXT, text.encode()) for text in texts]
    assert frames.begun == b""


@pytest.mark.parametrize("raw", [b"\x81\x85abcdhello", b"\xc1\x00", b"\x80\x00", b"\x09\x00", b"\x83\x00"])
def test_frames_that_no_server_may_send(raw: bytes) -> None:
    with pytest.raises(BadFrame):
        list(FrameDecoder().feed(raw))
