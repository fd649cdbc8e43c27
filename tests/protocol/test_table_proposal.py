"""What is proposed for an own api from captured replies, in the shapes that servers have."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from chatproof.harness.protocol.apis.api import Failure, Finish, Text
from chatproof.harness.protocol.apis.api_table import read_table
from chatproof.harness.protocol.apis.captured_reply import CapturedReply, NoStream
from chatproof.harness.protocol.apis.proposed_table import Asked, proposed_table, written
from chatproof.harness.protocol.apis.table_proposal import Proposal, propose

WORDS = ["Sure", ", here", " is", " one", ": why", " not", "?"]
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def sse(*events: Any, names: tuple[str, ...] = ()) -> bytes:
    """A body: objects as JSON, texts as they are."""
    lines = []
    for number, event in enumerate(events):
        name = names[number] if names else ""
        lines.append(f"event: {name}\n" if name else "")
        lines.append(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
    return "".join(lines).encode()


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def said(*samples: bytes) -> tuple[dict[str, Any], str, list[str]]:
    """The table that is proposed, what the first sample says when it is read with it, and how that ends."""
    replies = [CapturedReply.parse(sample) for sample in samples]
    document = proposed_table(propose([one.events for one in replies]), replies, Asked("mine"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", document)
    table = tomllib.loads(document)["api"]
    api, text, ends = read_table(table), "", []
    for seen in replies[0].events:
        body = seen.value if isinstance(seen.value, dict) else None
        for part in api.read(seen.name, seen.text, body):
            if isinstance(part, Text):
                text = part.text if part.snapshot else text + part.text
            elif isinstance(part, Finish | Failure):
                ends.append(type(part).__name__)
    return table, text, ends


def deltas(make: Any) -> list[Any]:
    return [make(word) for word in WORDS]


SHAPES: dict[str, bytes] = {
    "document": sse(
        *({"token": word, "count": n, "partial": "".join(WORDS[:n])} for n, word in enumerate(WORDS, 1)),
        {"done": True, "tokens": 7, "duration": 1.5, "full_response": "".join(WORDS), "user": "anonymous"},
    ),
    "openai": sse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        },
        *deltas(
            lambda word: {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}],
            }
        ),
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        },
        "[DONE]",
    ),
    "ai sdk": sse(
        {"type": "start", "messageId": "m1"},
        {"type": "start-step"},
        {"type": "reasoning-start", "id": "r"},
        *(
            {"type": "reasoning-delta", "id": "r", "delta": word}
            for word in ["I", " think", " about", " it", " a", " lot", " you", " know", "."]
        ),
        {"type": "reasoning-end", "id": "r"},
        {"type": "text-start", "id": "0"},
        *deltas(lambda word: {"type": "text-delta", "id": "0", "delta": word}),
        {"type": "text-end", "id": "0"},
        {"type": "finish-step"},
        {"type": "finish", "finishReason": "stop"},
        "[DONE]",
    ),
    "ag-ui": sse(
        {"type": "RUN_STARTED", "threadId": "t", "runId": "r"},
        {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"},
        *deltas(lambda word: {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": word}),
        {"type": "TEXT_MESSAGE_END", "messageId": "m"},
        {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"},
    ),
    "anthropic": sse(
        {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas(
            lambda word: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
        names=(
            "message_start",
            "content_block_start",
            *["content_block_delta"] * 7,
            "content_block_stop",
            "message_delta",
            "message_stop",
        ),
    ),
    "dify": sse(
        *deltas(
            lambda word: {
                "event": "message",
                "task_id": "900bbd43-dc0b-4383-a372-aa6e6c414227",
                "id": "663c5084",
                "answer": word,
                "created_at": 1705398420,
            }
        ),
        {
            "event": "message_end",
            "task_id": "900bbd43-dc0b-4383-a372-aa6e6c414227",
            "metadata": {"usage": {"total_tokens": 9}},
        },
    ),
    "ollama": lines(
        *deltas(
            lambda word: {
                "model": "m",
                "created_at": "2026-01-01T00:00:00.123456Z",
                "message": {"role": "assistant", "content": word},
                "done": False,
            }
        ),
        {
            "model": "m",
            "created_at": "2026-01-01T00:00:01.123456Z",
            "message": {"role": "assistant", "content": ""},
            "done_reason": "stop",
            "done": True,
        },
    ),
    "named events": sse(*deltas(lambda word: {"text": word}), {"took": 3}, names=(*["token"] * 7, "done")),
    "raw text": sse(*WORDS, "[DONE]"),
    "raw text with named end": sse(*WORDS, "bye", names=(*[""] * 7, "end")),
    "strings": sse(*deltas(json.dumps), "[DONE]"),
    "arrays": lines(*deltas(lambda word: ["t", word]), ["end"]),
    "snapshots": lines(*({"all": "".join(WORDS[:n])} for n in range(1, 8)), {"all": "".join(WORDS), "ready": True}),
    "no end": sse(*deltas(lambda word: {"text": word})),
    "the last one says so": sse(*(({"text": word, "last": word == "?"}) for word in WORDS)),
    "whole text once more": sse(
        *deltas(lambda word: {"kind": "piece", "text": word}), {"kind": "final", "text": "".join(WORDS)}
    ),
    "status texts": sse(
        {"op": "status", "text": "Searching the web"},
        {"op": "status", "text": "Reading three pages"},
        *deltas(lambda word: {"op": "say", "text": word}),
        {"op": "bye"},
    ),
    "odd names": lines({"k": "h"}, *deltas(lambda word: {"k": "a", "v": word}), {"k": "z"}),
    "thoughts first": sse(
        *(
            {"reasoning_content": word, "content": None}
            for word in ["Let", " me", " see", " what", " I", " have", " here", " now"]
        ),
        *deltas(lambda word: {"reasoning_content": None, "content": word}),
        "[DONE]",
    ),
    "langserve": sse(
        json.dumps({"run_id": "e7b0-4f6e"}), *deltas(json.dumps), "", names=("metadata", *["data"] * 7, "end")
    ),
    "langgraph": sse(
        *([{"content": "".join(WORDS[:n]), "type": "ai", "id": "run-abc"}] for n in range(1, 8)),
        "null",
        names=(*["messages/partial"] * 7, "end"),
    ),
    "gemini": sse(
        *(
            {
                "candidates": [{"content": {"parts": [{"text": word}], "role": "model"}, "index": 0} | more],
                "usageMetadata": {"totalTokenCount": 5},
            }
            for word in WORDS
            for more in [{"finishReason": "STOP"} if word == "?" else {}]
        )
    ),
    "text generation": sse(
        *(
            {"index": n, "token": {"id": n, "text": word}, "generated_text": "".join(WORDS) if n == 6 else None}
            for n, word in enumerate(WORDS)
        )
    ),
    "responses": sse(
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}},
        *deltas(lambda word: {"type": "response.output_text.delta", "item_id": "msg_1", "delta": word}),
        {"type": "response.output_text.done", "item_id": "msg_1", "text": "".join(WORDS)},
        {"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}},
    ),
    "patches": sse(
        *deltas(lambda word: {"v": word, "p": "/message/content", "o": "append"}),
        {"v": "FINISHED", "p": "/message/status", "o": "replace"},
    ),
    "heartbeats between": lines(*(one for word in WORDS for one in ({"hb": 1}, {"out": word})), {"bye": 1}),
    "no spaces": sse(*deltas(lambda word: {"type": "chunk", "t": word}), {"type": "end", "errors": []}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_text_of_every_shape_is_found(shape: str) -> None:
    table, text, ends = said(SHAPES[shape])
    assert text == "".join(WORDS), table
    if shape == "no end":
        assert table["end"] == {"close": True}
    else:
        assert ends[:1] == ["Finish"], table


@pytest.mark.parametrize(
    ("shape", "text", "end"),
    [
        ("document", {"pointer": "/token"}, {"equals": True, "pointer": "/done"}),
        ("openai", {"pointer": "/choices/0/delta/content"}, {"pointer": "/choices/0/finish_reason"}),
        (
            "ai sdk",
            {"where": "/type", "equals": "text-delta", "pointer": "/delta"},
            {"where": "/type", "equals": "finish"},
        ),
        (
            "ag-ui",
            {"where": "/type", "equals": "TEXT_MESSAGE_CONTENT", "pointer": "/delta"},
            {"where": "/type", "equals": "RUN_FINISHED"},
        ),
        ("ollama", {"pointer": "/message/content"}, {"equals": True, "pointer": "/done"}),
        ("named events", {"event": "token", "pointer": "/text"}, {"event": "done"}),
        ("raw text", {"raw": True}, {"mark": "[DONE]"}),
        ("snapshots", {"pointer": "/all", "snapshot": True}, {"equals": True, "pointer": "/ready"}),
    ],
)
def test_the_rules_are_those_that_a_person_would_write(shape: str, text: dict[str, Any], end: dict[str, Any]) -> None:
    table, _, _ = said(SHAPES[shape])
    assert (table["text"], table["end"]) == (text, end)


@pytest.mark.parametrize(
    ("failed", "error"),
    [
        (sse({"text": "Sure"}, {"error": "no"}), {"pointer": "/error"}),
        (
            sse({"text": "Sure"}, {"error": {"message": "no", "code": 5}}),
            {"where": "/error", "pointer": "/error/message"},
        ),
        (
            sse({"text": "Sure"}, {"type": "error", "message": "no"}),
            {"where": "/type", "equals": "error", "pointer": "/message"},
        ),
        (sse({"text": "Sure"}, {"detail": "no"}, names=("", "failure")), {"event": "failure", "pointer": "/detail"}),
        (
            sse({"text": "Sure"}, {"op": "oops", "fault": {"text": "no"}}),
            {"where": "/op", "equals": "oops", "pointer": "/fault/text"},
        ),
        (sse({"text": "Sure"}, {"n": 1, "fault": {"text": "no"}}), {"where": "/fault", "pointer": "/fault/text"}),
    ],
)
def test_a_reply_that_failed_shows_the_error(failed: bytes, error: dict[str, Any]) -> None:
    table, text, _ = said(sse(*deltas(lambda word: {"text": word}), "[DONE]"), failed + sse("[DONE]"))
    assert table["error"] == error
    assert text == "".join(WORDS)
    _, _, ends = said(failed, sse(*deltas(lambda word: {"text": word}), "[DONE]"))
    assert ends == ["Failure"]


def test_what_the_sample_does_not_show_is_said() -> None:
    sample = CapturedReply.parse(SHAPES["no end"])
    document = proposed_table(propose([sample.events]), [sample], Asked("mine"))
    for words in ("(--path)", "(--body)", "the end: no event tells it", "the error: no sample holds one", "CHECK"):
        assert words in document
    document = proposed_table(propose([sample.events]), [sample], Asked("mine", "/talk", {"q": "{message}"}))
    assert "CHECK" not in document
    assert "(--path)" not in document


def test_a_failed_sample_alone_leaves_the_end_open() -> None:
    sample = CapturedReply.parse(sse(*deltas(lambda word: {"text": word}), {"error": "no"}))
    assert "each sample is a reply that failed" in proposed_table(propose([sample.events]), [sample], Asked("mine"))


@pytest.mark.parametrize("body", [sse({"id": 1}), sse({"type": "start"}, {"type": "end"}), sse({"n": 1}, {"n": 2})])
def test_nothing_is_made_up_where_nothing_grows(body: bytes) -> None:
    assert propose([CapturedReply.parse(body).events]) == Proposal()


# -- how a reply was captured


CHUNKED = HEADERS + b"".join(
    f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    for piece in (SHAPES["document"][:50], SHAPES["document"][50:], b"")
)
VERBOSE = (
    b"*   Trying 127.0.0.1:5000...\n> POST /v2/talk?x=1 HTTP/1.1\r\n> Host: 127.0.0.1:5000\r\n> \r\n"
    b"< HTTP/1.1 200 OK\r\n< Content-Type: text/event-stream\r\n< \r\n"
    + SHAPES["document"]
    + b"* Connection #0 left intact\n"
)


@pytest.mark.parametrize(
    "sample",
    [
        SHAPES["document"],
        HEADERS + SHAPES["document"],
        HEADERS.replace(b"\r\n", b"\n") + SHAPES["document"],
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEADERS + SHAPES["document"],
        b"HTTP/2 200\r\ncontent-type: text/event-stream\r\n\r\n" + SHAPES["document"],
        CHUNKED,
        VERBOSE,
        SHAPES["document"].replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + SHAPES["document"],
        (HEADERS + SHAPES["document"]).decode().encode("utf-16"),
        SHAPES["document"].rstrip(),
        b"$ curl -iN localhost:5000\n  % Total    % Received\r  0  0\n" + HEADERS + SHAPES["document"],
        b": hello\n\nretry: 5\n\nevent: ping\ndata: now\n\n" + SHAPES["document"],
    ],
    ids=[
        "bare",
        "headers",
        "lf",
        "continue",
        "http2",
        "raw chunks",
        "verbose",
        "crlf",
        "bom",
        "utf-16",
        "cut",
        "pasted",
        "pings",
    ],
)
def test_a_sample_is_read_as_curl_printed_it(sample: bytes) -> None:
    _, text, ends = said(sample)
    assert text == "".join(WORDS)
    assert ends == ["Finish"]


def test_lines_are_found_behind_the_command() -> None:
    _, text, ends = said(b"$ curl -N localhost:5000\n" + SHAPES["ollama"])
    assert text == "".join(WORDS)
    assert ends == ["Finish"]


def test_curl_v_tells_what_was_asked() -> None:
    assert CapturedReply.parse(VERBOSE).asked == ("POST", "/v2/talk?x=1")


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (HEADERS, "the body is empty"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\nno", "status 401: 'no'"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/ev", "ends within the headers"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nxyz", "compressed"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b'{"response": "Hi"}', "one JSON answer and no stream"),
        (b'{\n "response": "Hi"\n}', "one JSON answer and no stream"),
        (b"<!DOCTYPE html><p>", "an HTML page"),
        (b"curl: (7) Failed to connect", "neither server-sent events nor lines of JSON"),
        (b"\x00\xff\xfe\x01", "neither server-sent events nor lines of JSON"),
        (b"event: ping\n\n", "there is no event in it"),
    ],
)
def test_what_is_no_stream_is_said(sample: bytes, says: str) -> None:
    with pytest.raises(NoStream) as caught:
        CapturedReply.parse(sample)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sample",
    [
        sse(*["[" * 50_000] * 3),
        sse(*({"t": "x" * 10_000, "n": list(range(3_000))} for _ in range(3))),
        sse(*({str(number): {"a": number}} for number in range(400))),
        sse(*({"\x00\x7f/~": word} for word in ["a\x00b", " \ud800", "\u2028\x1b[31m"])),
        sse(*({"": word} for word in WORDS)),
        lines(*[{"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": word}}}}}}}}} for word in WORDS]),
    ],
    ids=["deep", "large", "many keys", "control characters", "empty key", "nested"],
)
def test_hostile_samples_end_in_a_table_or_in_a_word(sample: bytes) -> None:
    reply = CapturedReply.parse(sample)
    proposal = propose([reply.events])
    if proposal.reading:
        document = proposed_table(proposal, [reply], Asked("mine"))
        assert tomllib.loads(document)["api"]["name"] == "mine"


@pytest.mark.parametrize("value", [{}, {"a b": [1, 2.5, True, {"é": '\x7f\n"\\'}]}, "🙂\t", [], -0.5])
def test_json_is_written_as_toml(value: Any) -> None:
    assert tomllib.loads(f"a = {written(value)}")["a"] == value


def test_toml_has_no_null() -> None:
    with pytest.raises(ValueError, match="null"):
        written({"a": [None]})
