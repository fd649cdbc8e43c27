"""OpenAI's dialect: the bytes, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fake_providers.dialects import all_dialects, openai
from fake_providers.exchange import Ask, Reply, Request
from fake_providers.requests import as_request
from fake_providers.script import Script, parse_script
from fake_providers.wire import plan

HEAD = (
    'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o",'
    '"service_tier":"default","system_fingerprint":"fp_chatproof","choices":['
)
ID = "be686f31c6a6fb4f124d365722e54"


def request(body: Any, **headers: str) -> Request:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"authorization": "Bearer sk-1", **headers}
    return as_request("POST", "/v1/chat/completions", {k: v for k, v in sent.items() if v}, data)


def body(text: Any = "Hi, scenario tiny case a-1", **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}


def script(steps: str = '[[steps]]\ntokens = ["Où", " là\\u2028"]', top: str = "") -> dict[str, Script]:
    return {"tiny": parse_script("tiny", f'about = "x"\n{top}\n{steps}')}


def asked(sent: Any, scripts: dict[str, Script] | None = None) -> Ask:
    ask = openai.read(request(sent), scripts or script())
    assert isinstance(ask, Ask)
    return ask


def payload(reply: Reply) -> bytes:
    return b"".join(frame.payload for frame in reply.frames)


def test_a_stream_has_golden_bytes() -> None:
    reply = openai.render(asked(body(stream=True)))
    head = HEAD % ID
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
    reply = openai.render(asked(body(stream=True, stream_options={"include_usage": True})))
    lines = payload(reply).decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(line.endswith(',"usage":null}') for line in lines[:-3])
    assert lines[-3] == (
        HEAD % ID + '],"usage":{"prompt_tokens":14,"completion_tokens":2,"total_tokens":16,'
        '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
        '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
        '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}'
    )


def test_a_whole_reply_has_golden_bytes() -> None:
    reply = openai.render(asked(body()))
    assert payload(reply).decode() == (
        f'{{"id":"chatcmpl-{ID}","object":"chat.completion","created":1700000000,"model":"gpt-4o","choices":['
        '{"index":0,"message":{"role":"assistant","content":"Où là\u2028","refusal":null,"annotations":[]},'
        '"logprobs":null,"finish_reason":"stop"}],'
        '"usage":{"prompt_tokens":14,"completion_tokens":2,"total_tokens":16,'
        '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
        '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
        '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},'
        '"service_tier":"default","system_fingerprint":"fp_chatproof"}'
    )
    assert ("content-type", "application/json") in reply.headers


def test_equal_requests_have_equal_bytes_and_others_other_ids() -> None:
    def stream(text: str, seed: int) -> bytes:
        return payload(openai.render(asked(body(text, stream=True), script(top=f"seed = {seed}"))))

    same = stream("scenario tiny", 1)
    assert same == stream("scenario tiny", 1)
    assert len({same, stream("scenario tiny", 2), stream("scenario tiny!", 1)}) == 3


def test_ascii_scripts_escape() -> None:
    data = payload(openai.render(asked(body(stream=True), script(top="ascii = true"))))
    assert data.isascii()
    assert rb'{"content":" l\u00e0\u2028"}' in data


@pytest.mark.parametrize("model", ["m", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "abcde", "abcdefgh", "abcdefghi"])
def test_split_bytes_cuts_inside_characters_whatever_the_models_name(model: str, scripts: dict[str, Script]) -> None:
    reply = openai.render(asked({**body("scenario split-bytes", stream=True), "model": model}, scripts))
    pieces = [write.data.split(b"\r\n")[1] for write in plan(reply, True, True).writes[1:-2]]
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
            [{"type": "text", "text": "scenario tiny"}, {"type": "image_url"}, {"type": "text", "text": "case x"}],
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
    ask = asked(body("a peculiar word"))
    assert ask.script.text == "The fake provider read 15 characters with the digest 3fbfa507."
    assert asked(body("a peculiar word")).script is ask.script


def error(sent: Any, status: int = 400, **headers: str) -> dict[str, Any]:
    reply = openai.read(request(sent, **headers), script())
    assert isinstance(reply, Reply)
    assert reply.status == status
    answer = json.loads(payload(reply))
    assert answer.keys() == {"error"}
    assert answer["error"].keys() == {"message", "type", "param", "code"}
    return dict(answer["error"])


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
        (message(role="user", content=[{"type": "text"}]), "messages[0].content[0].text", "expected a string"),
        (body(stream="yes"), "stream", "expected a boolean"),
        (body(stream_options={}), "stream_options", "only allowed when 'stream' is enabled"),
        (body(stream=True, stream_options=5), "stream_options", "expected an object"),
        (body(stream=True, stream_options={"include_usage": 1}), "stream_options.include_usage", "a boolean"),
        (body(temperature=3), "temperature", "Expected a value <= 2, but got 3"),
        (body(top_p=-1), "top_p", "Expected a value >= 0"),
        (body(temperature="hot"), "temperature", "expected a decimal"),
        (body(max_tokens=0), "max_tokens", "Expected a value >= 1"),
        (body(max_completion_tokens=1.5), "max_completion_tokens", "expected an integer"),
        (body(n=2), "n", "one choice only"),
        (body("scenario tini"), "messages", "Unknown scenario 'tini'. Did you mean 'tiny'? Known: tiny."),
    ],
)
def test_bad_requests_are_refused_in_the_apis_words(sent: Any, param: str, words: str) -> None:
    refusal = error(sent)
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
    refusal = error(sent)
    assert "could not parse the JSON body" in refusal["message"]
    assert words in refusal["message"]


def test_an_escaped_pair_of_surrogates_is_fine() -> None:
    assert asked(b'{"model":"m","messages":[{"role":"user","content":"\\ud83d\\ude00"}]}').text == "😀"


@pytest.mark.parametrize("authorization", ["", "Basic abc", "Bearer", "Bearer  "])
def test_a_request_without_a_key_is_refused(authorization: str) -> None:
    assert "API key" in error(body(), 401, authorization=authorization)["message"]


def test_other_methods_are_refused() -> None:
    reply = openai.read(as_request("GET", "/v1/chat/completions", {}, b""), {})
    assert isinstance(reply, Reply)
    assert reply.status == 405


def test_assistant_messages_may_have_tool_calls_instead_of_content() -> None:
    sent = body()
    sent["messages"].insert(0, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]})
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
    reply = openai.render(asked(body(stream=stream), scripts))
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
    assert payload(openai.render(asked(body(), scripts))).startswith(expected)


def test_every_module_of_the_folder_is_a_dialect() -> None:
    dialects = all_dialects()
    assert "openai" in [dialect.NAME for dialect in dialects]
    assert all(callable(d.answers) and callable(d.read) and callable(d.render) for d in dialects)
