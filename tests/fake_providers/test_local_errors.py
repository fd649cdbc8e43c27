"""Ollama's dialect when something is wrong: with the script on purpose, or with the request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.fake_providers.dialects.base import Reply
from chatproof.fake_providers.dialects.ollama.dialect import NOT_FOUND
from chatproof.fake_providers.planning.http_writes import plan_writes
from tests.fake_providers.local_kit import (
    CHAT,
    GENERATE,
    STATUSES,
    lines,
    local,
    payload,
    prompted,
    refused,
    replied,
    request,
    said,
    script,
)

PACED = '[[steps]]\ntokens = ["a", "b", "c"]'


def test_an_error_in_the_stream_is_a_line() -> None:
    reply = replied(CHAT, said(), script(f'{PACED}\n[[steps]]\nfault = "error"\nmessage = "out of <memory>"'))
    assert payload(reply).splitlines()[-1] == b'{"error":"out of \\u003cmemory\\u003e"}'
    assert (reply.status, reply.end, reply.faulted) == (200, "complete", True)
    assert not any(line.get("done") for line in lines(reply))


@pytest.mark.parametrize("stream", [True, False])
def test_an_error_before_the_first_token_is_a_status(stream: bool) -> None:
    reply = replied(CHAT, said(stream=stream), script('[[steps]]\nfault = "error"'))
    assert reply.status == 500
    assert payload(reply) == b'{"error":"an error was encountered while running the model: unexpected EOF"}'


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", STATUSES)
def test_statuses_have_ollamas_error(status: int, stream: bool) -> None:
    fault = f'[[steps]]\nwait_ms = 40\n[[steps]]\nfault = "status"\nstatus = {status}\nretry_after_s = 2'
    reply = replied(CHAT, said(stream=stream), script(fault))
    assert (reply.status, reply.head_due, reply.faulted) == (status, 0.04, True)
    answer = json.loads(payload(reply))
    assert answer.keys() == {"error"}
    assert isinstance(answer["error"], str)
    assert ("retry-after", "2") in reply.headers


@pytest.mark.parametrize(("kind", "expected"), [("empty", b""), ("html", b"<html>")])
def test_statuses_may_have_other_bodies(kind: str, expected: bytes) -> None:
    reply = replied(CHAT, said(), script(f'[[steps]]\nfault = "status"\nstatus = 502\nbody = "{kind}"'))
    assert payload(reply).startswith(expected)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        *((steps, fault) for steps in ("", PACED) for fault in ("stall", "close", "cut", "reset", "malformed")),
        ("", "garbage"),
    ],
)
def test_faults_end_as_they_should(steps: str, fault: str, stream: bool) -> None:
    reply = replied(CHAT, said(stream=stream), script(f'{steps}\n[[steps]]\nfault = "{fault}"'))
    assert reply.faulted
    assert reply.end == {"malformed": "complete", "garbage": "close"}.get(fault, fault)
    assert (b"\x00" in payload(reply)) == (fault == "garbage")
    assert b"\x00" not in reply.torn
    if fault == "cut" and steps:
        assert reply.torn.startswith(b'{"model":"llama3.2","created_at":"2023')
    if fault == "malformed" and stream:
        broken = [line for line in payload(reply).splitlines() if b"brok" in line]
        assert len(broken) == 1
        with pytest.raises(ValueError, match="Unterminated"):
            json.loads(broken[0])
    assert plan_writes(reply, True, True).writes or reply.status is None


@pytest.mark.parametrize(
    ("path", "sent", "status", "words"),
    [
        (CHAT, b"", 400, "missing request body"),
        (CHAT, b"{", 400, "invalid JSON"),
        (CHAT, b"[]", 400, "json: cannot unmarshal array into Go value of type api.ChatRequest"),
        (CHAT, {}, 400, "model is required"),
        (CHAT, said(model="a b"), 400, "model is required"),
        (CHAT, said(model=5), 400, "cannot unmarshal number into Go struct field ChatRequest.model of type string"),
        (CHAT, said(stream="yes"), 400, "cannot unmarshal string into Go struct field ChatRequest.stream of type bool"),
        (CHAT, {"model": "m", "messages": "hi"}, 400, "ChatRequest.messages of type []api.Message"),
        (CHAT, {"model": "m", "messages": ["hi"]}, 400, "cannot unmarshal string into Go struct field"),
        (CHAT, {"model": "m", "messages": [{"role": "user", "content": []}]}, 400,
         "cannot unmarshal array into Go struct field ChatRequest.messages.content of type string"),
        (CHAT, {"model": "m", "messages": [{"role": "user", "images": ["§"]}]}, 400, "illegal base64"),
        (CHAT, {"model": "m", "messages": [{"role": "user", "images": [5]}]}, 400, "type []uint8"),
        (CHAT, {"model": "m", "messages": [{"tool_calls": [{"function": {"arguments": "{}"}}]}]}, 400,
         "messages.tool_calls.function.arguments"),
        (CHAT, said(tools=[{"function": {"name": 5}}]), 400, "ChatRequest.tools.function.name of type string"),
        (CHAT, said(tools={}), 400, "of type api.Tools"),
        (CHAT, said(think="much"), 400, 'invalid think value: "much"'),
        (CHAT, said(think=5), 400, "think must be a boolean or string"),
        (CHAT, said(keep_alive="soon"), 400, 'time: invalid duration "soon"'),
        (CHAT, said(keep_alive=True), 400, "Unsupported type"),
        (CHAT, said(format="xml"), 400, "invalid format"),
        (CHAT, said(options=[]), 400, "of type map[string]interface {}"),
        (CHAT, said(options={"num_predict": "5"}), 500, 'option "num_predict" must be of type integer'),
        (CHAT, said(options={"temperature": True}), 500, 'option "temperature" must be of type float32'),
        (CHAT, said(options={"stop": "x"}), 500, 'option "stop" must be of type array'),
        (CHAT, said(options={"stop": [5]}), 500, 'option "stop" must be of an array of strings'),
        (CHAT, said(model="missing-model:7b"), 404, "model 'missing-model:7b' not found"),
        (CHAT, said("scenario tini"), 400, "Unknown scenario 'tini'. Did you mean 'tiny'? Known: tiny."),
        (GENERATE, {}, 404, "model is required"),
        (GENERATE, prompted(model="a b"), 404, "model 'a b' not found"),
        (GENERATE, prompted(context=[1.5]), 400, "cannot unmarshal number 1.5 into Go struct field"),
        (GENERATE, prompted("scenario tini"), 400, "Unknown scenario"),
        ("/api/embed", {"model": "m", "input": 5}, 400, "invalid input type"),
        ("/api/embed", {"model": "m", "input": ["a"] * 999_999}, 400, "at most 500,000 numbers"),
        ("/api/embed", {"model": "m", "input": "a", "dimensions": -1}, 400, "invalid dimensions"),
        ("/api/embeddings", {"model": "m", "prompt": []}, 400, "EmbeddingRequest.prompt of type string"),
        ("/api/show", {}, 400, "model is required"),
        ("/api/show", {"model": "no-such-model"}, 404, "model 'no-such-model' not found"),
        ("/api/show", {"model": "a b"}, 400, "invalid model name"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused_in_ollamas_words(path: str, sent: Any, status: int, words: str) -> None:
    answer = refused(path, sent, status)
    assert answer.keys() == {"error"}
    assert words in answer["error"]


def test_an_unknown_scenario_is_named_in_a_header() -> None:
    reply = local.read(request(CHAT, said("scenario nope case c-1")), script())
    assert isinstance(reply, Reply)
    assert ("x-fake-unknown-scenario", "nope") in reply.headers


@pytest.mark.parametrize(
    ("path", "method", "status", "text"),
    [
        ("/", "GET", 200, "Ollama is running"),
        ("/", "HEAD", 200, "Ollama is running"),
        ("/", "POST", 405, "405 method not allowed"),
        (CHAT, "GET", 405, "405 method not allowed"),
        ("/api/tags", "POST", 405, "405 method not allowed"),
        ("/api/nowhere", "GET", 404, NOT_FOUND),
    ],
)
def test_what_is_no_json_is_text(path: str, method: str, status: int, text: str) -> None:
    reply = local.read(request(path, method=method), {})
    assert isinstance(reply, Reply)
    assert (reply.status, payload(reply).decode()) == (status, text)
    assert reply.headers == (("content-type", "text/plain; charset=utf-8"),)
