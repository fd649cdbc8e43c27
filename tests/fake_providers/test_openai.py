"""OpenAI's dialect: the bytes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatproof.fake_providers import dialects
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.planning.http_writes import plan_writes
from chatproof.fake_providers.planning.router import DIALECTS
from chatproof.fake_providers.scripting.script import Script
from tests.fake_providers.openai_kit import asked, chat, payload, refused, script

HEAD = (
    'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o",'
    '"service_tier":"default","system_fingerprint":"fp_chatproof","choices":['
)


def test_a_stream_has_golden_bytes() -> None:
    ask = asked(chat(stream=True))
    reply, head = openai.render(ask), HEAD % ask.digest[:29]
    assert payload(reply).decode() == (
        f'{head}{{"index":0,"delta":{{"role":"assistant","content":"","refusal":null}},"logprobs":null,"finish_reason":null}}]}}\n\n'
        f'{head}{{"index":0,"delta":{{"content":"Où"}},"logprobs":null,"finish_reason":null}}]}}\n\n'
        f'{head}{{"index":0,"delta":{{"content":" là\u2028"}},"logprobs":null,"finish_reason":null}}]}}\n\n'
        f'{head}{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}]}}\n\n'
        "data: [DONE]\n\n"
    )
    assert reply.headers[:2] == (
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
    )


def test_a_stream_with_usage_has_golden_bytes() -> None:
    ask = asked(chat(stream=True, stream_options={"include_usage": True}))
    lines = payload(openai.render(ask)).decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(line.endswith(',"usage":null}') for line in lines[:-3])
    assert lines[-3] == (
        HEAD % ask.digest[:29] + '],"usage":{"prompt_tokens":15,"completion_tokens":2,"total_tokens":17,'
        '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
        '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
        '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}'
    )


def test_a_whole_reply_has_golden_bytes() -> None:
    ask = asked(chat())
    reply = openai.render(ask)
    assert payload(reply).decode() == (
        f'{{"id":"chatcmpl-{ask.digest[:29]}","object":"chat.completion","created":1700000000,"model":"gpt-4o","choices":['
        '{"index":0,"message":{"role":"assistant","content":"Où là\u2028","refusal":null,"annotations":[]},'
        '"logprobs":null,"finish_reason":"stop"}],'
        '"usage":{"prompt_tokens":15,"completion_tokens":2,"total_tokens":17,'
        '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
        '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
        '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},'
        '"service_tier":"default","system_fingerprint":"fp_chatproof"}'
    )
    assert ("content-type", "application/json") in reply.headers


def test_equal_requests_have_equal_bytes_and_others_other_ids() -> None:
    def stream(text: str, seed: int) -> bytes:
        return payload(openai.render(asked(chat(text, stream=True), script(top=f"seed = {seed}"))))

    same = stream("scenario tiny", 1)
    assert same == stream("scenario tiny", 1)
    assert len({same, stream("scenario tiny", 2), stream("scenario tiny!", 1)}) == 3


def test_ascii_scripts_escape() -> None:
    data = payload(openai.render(asked(chat(stream=True), script(top="ascii = true"))))
    assert data.isascii()
    assert rb'{"content":" l\u00e0\u2028"}' in data


@pytest.mark.parametrize("model", ["m", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "abcde", "abcdefgh", "abcdefghi"])
def test_split_bytes_cuts_inside_characters_whatever_the_models_name(model: str, scripts: dict[str, Script]) -> None:
    reply = openai.render(asked({**chat("scenario split-bytes", stream=True), "model": model}, scripts))
    pieces = [write.payload.split(b"\r\n")[1] for write in plan_writes(reply, True, True).writes[1:-2]]
    broken = 0
    for piece in pieces:
        try:
            piece.decode()
        except UnicodeDecodeError:
            broken += 1
    assert broken >= 2


@pytest.mark.parametrize(
    ("text", "scenario", "case"),
    [
        ("scenario tiny", "tiny", None),
        ("Please, Scenario tiny; CASE c-9.", "tiny", "c-9"),
        ("scenario other and then scenario tiny case a case b", "tiny", "b"),
        ("scenario\n tiny", "tiny", None),
        ("myscenario other, lowercase z, scenario Other", None, None),
        ("no script at all", None, None),
        (
            [
                {"type": "text", "text": "scenario tiny"},
                {"type": "image_url", "image_url": {"url": "data:,"}},
                {"type": "text", "text": "case x"},
            ],
            "tiny",
            "x",
        ),
    ],
)
def test_the_last_words_of_the_last_user_message_choose(text: Any, scenario: str | None, case: str | None) -> None:
    messages = [
        {"role": "system", "content": "scenario nope"},
        {"role": "user", "content": "scenario nope case old"},
        {"role": "assistant", "content": "scenario nope"},
        {"role": "user", "content": text},
        {"role": "assistant", "content": "scenario nope"},
    ]
    ask = asked({"model": "m", "messages": messages})
    assert (ask.scenario, ask.case) == (scenario, case)


def test_without_a_scenario_the_reply_tells_what_arrived_without_echoing_it() -> None:
    ask = asked(chat("a peculiar word"))
    assert ask.script.text == "The fake provider read 15 characters with the digest 3fbfa507."
    assert asked(chat("a peculiar word")).script is ask.script


def message(**values: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [values]}


@pytest.mark.parametrize(
    ("sent", "param", "words"),
    [
        ({"messages": []}, "model", "model parameter"),
        ({"model": 5, "messages": []}, "model", "expected a string, but got an integer"),
        ({"model": "m"}, "messages", "Missing required parameter"),
        ({"model": "m", "messages": []}, "messages", "empty array"),
        ({"model": "m", "messages": "hi"}, "messages", "expected an array of objects, but got a string"),
        ({"model": "m", "messages": ["hi"]}, "messages[0]", "expected an object"),
        (message(content="x"), "messages[0].role", "Missing required parameter"),
        (message(role="robot", content="x"), "messages[0].role", "Supported values are: 'system'"),
        (message(role=["user"], content="x"), "messages[0].role", "Supported values are"),
        (message(role="user"), "messages[0].content", "got null"),
        (message(role="assistant", content=None), "messages[0].content", "got null"),
        (message(role="user", content=5), "messages[0].content", "string or array of objects"),
        (message(role="user", content=[5]), "messages[0].content[0]", "expected an object"),
        (message(role="user", content=[{"text": "x"}]), "messages[0].content[0].type", "got null"),
        (message(role="user", content=[{"type": "text"}]), "messages[0].content[0].text", "Missing required"),
        (message(role="user", content=[{"type": "text", "text": 1}]), "messages[0].content[0].text", "a string"),
        (message(role="user", content=[{"type": "video"}]), "messages[0].content[0].type", "'text', 'image_url'"),
        (message(role="user", content=[{"type": "image_url"}]), "messages[0].content[0].image_url", "Missing"),
        (chat(stream="yes"), "stream", "expected a boolean"),
        (chat(stream_options={}), "stream_options", "only allowed when 'stream' is enabled"),
        (chat(stream=True, stream_options=5), "stream_options", "expected an object"),
        (chat(stream=True, stream_options={"include_usage": 1}), "stream_options.include_usage", "a boolean"),
        (chat(temperature=3), "temperature", "Expected a value <= 2, but got 3"),
        (chat(top_p=-1), "top_p", "Expected a value >= 0"),
        (chat(temperature="hot"), "temperature", "expected a decimal"),
        (chat(max_tokens=0), "max_tokens", "Expected a value >= 1"),
        (chat(max_completion_tokens=1.5), "max_completion_tokens", "expected an integer"),
        (chat(max_tokens=1, max_completion_tokens=1), "max_tokens", "at the same time"),
        (chat(n=0), "n", "Expected a value >= 1, but got 0"),
        (chat(n=129), "n", "Expected a value <= 128"),
        (chat(n=True), "n", "expected an integer, but got a boolean"),
        (chat(seed="x"), "seed", "expected an integer"),
        (chat(logprobs="yes"), "logprobs", "expected a boolean"),
        (chat(top_logprobs=3), "top_logprobs", "only allowed when 'logprobs'"),
        (chat(logprobs=True, top_logprobs=21), "top_logprobs", "Expected a value <= 20"),
        (chat(stop=5), "stop", "one of a string or array of strings"),
        (chat(stop=["a", 5]), "stop[1]", "expected a string"),
        (chat(stop=list("abcde")), "stop", "maximum length 4"),
        (chat(user=5), "user", "expected a string"),
        (chat(metadata=[]), "metadata", "expected an object, but got an array"),
        (chat(modalities="text"), "modalities", "expected an array"),
        (chat(service_tier="best"), "service_tier", "'auto', 'default'"),
        (chat(reasoning_effort=3), "reasoning_effort", "expected one of"),
        (chat(stream=True, stream_options={"usage": True}), "stream_options.usage", "Unknown parameter"),
        (
            chat(stream=True, stream_options={"continuous_usage_stats": True}),
            "stream_options.continuous_usage_stats",
            "Un",
        ),
        (chat(temprature=1), None, "Unrecognized request argument supplied: temprature"),
        (chat(b=1, a=None), None, "Unrecognized request arguments supplied: a, b"),
        (chat(response_format="json"), "response_format", "expected an object"),
        (chat(response_format={}), "response_format.type", "Missing"),
        (chat(response_format={"type": "xml"}), "response_format.type", "'json_object', 'json_schema', and 'text'"),
        (chat(response_format={"type": "json_object"}), "messages", "must contain the word 'json'"),
        (chat(response_format={"type": "json_schema"}), "response_format.json_schema", "Missing"),
        (chat(response_format={"type": "json_schema", "json_schema": {}}), "response_format.json_schema.name", "Miss"),
        (chat("scenario tini"), "messages", "Unknown scenario 'tini'. Did you mean 'tiny'? Known: tiny."),
    ],
)
def test_bad_requests_are_refused_in_the_apis_words(sent: Any, param: str | None, words: str) -> None:
    refusal = refused(sent)
    assert (refusal["type"], refusal["param"]) == ("invalid_request_error", param)
    assert words in refusal["message"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "not an object"),
        (b"[]", "not an object"),
        (b"{", "Expecting property name"),
        (b'{"model": NaN}', "NaN is not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"model": "\\ud800"}', "lone surrogate"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_bodies_that_are_no_json_object_are_refused(sent: bytes, words: str) -> None:
    refusal = refused(sent)
    assert "could not parse the JSON body" in refusal["message"]
    assert words in refusal["message"]


def test_an_escaped_pair_of_surrogates_is_fine() -> None:
    assert asked(b'{"model":"m","messages":[{"role":"user","content":"\\ud83d\\ude00"}]}').text == "😀"


@pytest.mark.parametrize("authorization", ["", "Basic abc", "Bearer", "Bearer  "])
def test_a_request_without_a_key_is_refused(authorization: str) -> None:
    assert "API key" in refused(chat(), status=401, authorization=authorization)["message"]


def test_other_methods_are_refused() -> None:
    assert "Not allowed to GET" in refused(b"", method="GET", status=405)["message"]
    assert "Not allowed to DELETE" in refused(b"", "/v1/models/gpt-4o", method="DELETE", status=405)["message"]


def test_assistant_messages_may_have_a_call_instead_of_content() -> None:
    sent = chat()
    sent["messages"].insert(0, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}})
    assert asked(sent).scenario == "tiny"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("keys", "kind", "code", "headers"),
    [
        ("status = 401", "invalid_request_error", "invalid_api_key", {}),
        ("status = 418", "invalid_request_error", None, {}),
        ("status = 429\nretry_after_s = 1\nretry_after_ms = 50", "requests", "rate_limit_exceeded",
         {"retry-after": "1", "retry-after-ms": "50"}),
        ("status = 500", "server_error", None, {}),
        ("status = 503\ncode = 'c'\ntype = 't'\nmessage = 'm'", "t", "c", {}),
    ],
)  # fmt: skip
def test_status_faults_have_the_apis_error_shape(
    keys: str, kind: str, code: str | None, headers: dict[str, str], stream: bool
) -> None:
    scripts = script(f'[[steps]]\nwait_ms = 40\n[[steps]]\nfault = "status"\n{keys}')
    reply = openai.render(asked(chat(stream=stream), scripts))
    assert (reply.head_due, reply.end, reply.faulted) == (0.04, "complete", True)
    answer = json.loads(payload(reply))["error"]
    assert (answer["type"], answer["code"], answer["param"]) == (kind, code, None)
    assert answer["message"]
    sent = dict(reply.headers)
    assert {name: sent[name] for name in headers} == headers
    assert "x-should-retry" not in sent
    assert headers or not {"retry-after", "retry-after-ms"} & sent.keys()


@pytest.mark.parametrize(("kind", "expected"), [("empty", b""), ("html", b"<html>")])
def test_status_faults_may_have_other_bodies(kind: str, expected: bytes) -> None:
    scripts = script(f'[[steps]]\nfault = "status"\nstatus = 502\nbody = "{kind}"')
    assert payload(openai.render(asked(chat(), scripts))).startswith(expected)


def test_every_folder_of_dialects_is_asked() -> None:
    folder = Path(dialects.__file__ or "").parent
    known = {Path(dialect.__file__ or "").parent.name for dialect in DIALECTS}  # type: ignore[attr-defined]  # modules
    assert known == {path.parent.name for path in folder.glob("*/dialect.py")}
