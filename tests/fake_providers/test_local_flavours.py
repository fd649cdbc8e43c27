"""The OpenAI-compatible paths of Ollama, vLLM, llama.cpp and LM Studio: what each says in its own way."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chatproof.fake_providers.dialects.base import Ask, Reply
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.openai_compatible import dialect as openai_compatible
from chatproof.fake_providers.dialects.provider_variables import HOSTS
from chatproof.fake_providers.planning.router import dialect_for
from tests.fake_providers.local_kit import (
    PRODUCTS,
    asked,
    calling,
    events,
    local,
    payload,
    refused,
    replied,
    request,
    said,
    script,
)

PATH = "/v1/chat/completions"
TIMES = "[timing]\nfirst_token_ms = 200\ninter_token_ms = 50"
USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def at(product: str, path: str = PATH) -> str:
    return f"/{product}{path}"


def digest(product: str, **more: Any) -> str:
    """What the ids of the reply are made of."""
    return asked(at(product), said(**more)).digest


def whole(product: str, **more: Any) -> dict[str, Any]:
    answer = json.loads(payload(replied(at(product), said(**more), calling())))
    assert isinstance(answer, dict)
    return answer


def test_vllm_streams_in_golden_bytes() -> None:
    id = digest("vllm", stream=True)[:32]
    head = f'data: {{"id":"chatcmpl-{id}","object":"chat.completion.chunk","created":1700000000,"model":"llama3.2",'
    rest = '"logprobs":null,"finish_reason":null'
    assert payload(replied(at("vllm"), said(stream=True))).decode() == (
        f'{head}"choices":[{{"index":0,"delta":{{"role":"assistant","content":""}},{rest}}}],"prompt_token_ids":null}}\n\n'
        f'{head}"choices":[{{"index":0,"delta":{{"content":"Où"}},{rest},"token_ids":null}}]}}\n\n'
        f'{head}"choices":[{{"index":0,"delta":{{"content":" là\u2028"}},{rest},"token_ids":null}}]}}\n\n'
        f'{head}"choices":[{{"index":0,"delta":{{"content":""}},"logprobs":null,"finish_reason":"stop",'
        '"stop_reason":null,"token_ids":null}]}\n\n'
        "data: [DONE]\n\n"
    )


def test_vllm_counts_in_every_chunk_on_request() -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    found = events(replied(at("vllm"), said(stream=True, stream_options=options)))
    assert found.pop() == "[DONE]"
    assert [event["usage"]["completion_tokens"] for event in found] == [0, 1, 2, 2, 2]
    assert {event["usage"]["prompt_tokens"] for event in found} == {15}
    assert [bool(event["choices"]) for event in found] == [True] * 4 + [False]


@pytest.mark.parametrize("options", [{}, {"continuous_usage_stats": True}, {"include_usage": False}])
def test_vllm_counts_nothing_unless_asked(options: dict[str, Any]) -> None:
    found = events(replied(at("vllm"), said(stream=True, stream_options=options)))
    assert not any("usage" in event for event in found[:-1])


def test_llamacpp_streams_in_golden_bytes() -> None:
    id = digest("llamacpp", stream=True)[:32]
    tail = (
        f'"created":1700000000,"id":"chatcmpl-{id}","model":"llama3.2","system_fingerprint":"b7000-c0ffee0",'
        '"object":"chat.completion.chunk"'
    )
    head = 'data: {"choices":[{"finish_reason":'
    timings = (
        '{"cache_n":0,"prompt_n":15,"prompt_ms":200.0,"prompt_per_token_ms":13.333333333,"prompt_per_second":75.0,'
        '"predicted_n":2,"predicted_ms":100.0,"predicted_per_token_ms":50.0,"predicted_per_second":20.0}'
    )
    assert payload(replied(at("llamacpp"), said(stream=True), script(top=TIMES))).decode() == (
        f'{head}null,"index":0,"delta":{{"role":"assistant","content":null}}}}],{tail}}}\n\n'
        f'{head}null,"index":0,"delta":{{"content":"Où"}}}}],{tail}}}\n\n'
        f'{head}null,"index":0,"delta":{{"content":" là\u2028"}}}}],{tail}}}\n\n'
        f'{head}"stop","index":0,"delta":{{}}}}],{tail},"timings":{timings}}}\n\n'
        "data: [DONE]\n\n"
    )
    *_, last, usage, done = events(replied(at("llamacpp"), said(**USAGE), script(top=TIMES)))
    assert (last.get("timings"), done) == (None, "[DONE]")
    assert (usage["choices"], usage["timings"]) == ([], json.loads(timings))
    assert usage["usage"] == {
        "completion_tokens": 2,
        "prompt_tokens": 15,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def test_ollama_streams_in_golden_bytes() -> None:
    head = (
        'data: {"id":"chatcmpl-50","object":"chat.completion.chunk","created":1700000000,"model":"llama3.2",'
        '"system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":'
    )
    data = payload(replied(at("ollama"), said(stream=True))).decode()
    assert data == (
        f'{head}"Où"}},"finish_reason":null}}]}}\n\n'
        f'{head}" là\\u2028"}},"finish_reason":null}}]}}\n\n'
        f'{head}""}},"finish_reason":"stop"}}]}}\n\n'
        "data: [DONE]\n\n"
    )


def test_lm_studio_streams_in_golden_bytes() -> None:
    id = digest("lmstudio", stream=True)[:32]
    head = (
        f'data: {{"id":"chatcmpl-{id}","object":"chat.completion.chunk","created":1700000000,"model":"llama3.2",'
        '"system_fingerprint":"llama3.2","choices":[{"index":0,"delta":'
    )
    rest = '"logprobs":null,"finish_reason":'
    assert payload(replied(at("lmstudio"), said(stream=True))).decode() == (
        f'{head}{{"role":"assistant","content":"Où"}},{rest}null}}]}}\n\n'
        f'{head}{{"role":"assistant","content":" là\u2028"}},{rest}null}}]}}\n\n'
        f'{head}{{}},{rest}"stop"}}]}}\n\n'
        "data: [DONE]\n\n"
    )


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_whole_reply_says_and_calls_the_same(product: str) -> None:
    answer = whole(product)
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Let me see."
    function = choice["message"]["tool_calls"][0]["function"]
    assert function == {"name": "get_weather", "arguments": '{"city":"Zürich","days":2}'}
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] == 15 + 13


@pytest.mark.parametrize(
    ("product", "keys"),
    [
        ("vllm", {"prompt_logprobs", "prompt_token_ids", "kv_transfer_params", "service_tier", "system_fingerprint"}),
        ("llamacpp", {"timings", "system_fingerprint"}),
        ("lmstudio", {"stats", "system_fingerprint"}),
        ("ollama", {"system_fingerprint"}),
    ],
)
def test_a_whole_reply_has_the_products_own_fields(product: str, keys: set[str]) -> None:
    assert whole(product).keys() - {"id", "object", "created", "model", "choices", "usage"} == keys


def test_llamacpps_timings_are_those_of_the_timeline() -> None:
    reply = replied(at("llamacpp"), said(), calling())
    timings = json.loads(payload(reply))["timings"]
    assert (timings["prompt_ms"] + timings["predicted_ms"]) / 1000 == pytest.approx(reply.end_due)
    assert (timings["prompt_ms"], timings["predicted_per_second"]) == (50.0, 100.0)


@pytest.mark.parametrize("product", PRODUCTS)
def test_calls_are_streamed_in_fragments_but_by_ollama(product: str) -> None:
    found = [event["choices"][0] for event in events(replied(at(product), said(stream=True), calling()))[:-1]]
    calls = [call for choice in found for call in choice["delta"].get("tool_calls", ())]
    assert "".join(call["function"].get("arguments") or "" for call in calls) == '{"city":"Zürich","days":2}'
    assert calls[0]["function"]["name"] == "get_weather"
    assert calls[0]["id"]
    assert (len(calls) > 2) == (product != "ollama")
    assert found[-1]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_limit_ends_the_reply_and_minus_one_is_none(product: str, name: str) -> None:
    for limit, content, reason in ((1, "Où", "length"), (-1, "Où là\u2028", "stop")):
        answer = json.loads(payload(replied(at(product), {**said(), name: limit})))
        choice = answer["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (content, reason)


# which product answers


@pytest.mark.parametrize(
    ("path", "status", "answer"),
    [
        ("/vllm/health", 200, b""),
        ("/vllm/ping", 200, b""),
        ("/vllm/version", 200, b'{"version":"0.11.2"}'),
        ("/llamacpp/health", 200, b'{"status":"ok"}'),
        ("/llamacpp/v1/health", 200, b'{"status":"ok"}'),
        ("/llamacpp/nowhere", 404, b'{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}'),
        ("/vllm/nowhere", 404, b'{"error":{"message":"Not Found","type":"NotFoundError","param":null,"code":404}}'),
        ("/lmstudio/nowhere", 200, b'{"error":"Unexpected endpoint or method. (GET /nowhere)"}'),
        ("/ollama/nowhere", 404, b"404 page not found"),
        ("/vllm/", 404, b'{"error":{"message":"Not Found","type":"NotFoundError","param":null,"code":404}}'),
    ],
)
def test_each_product_has_paths_of_its_own(path: str, status: int, answer: bytes) -> None:
    """What is not there is refused in the product's words; which paths there are stands behind them."""
    reply = local.read(request(path, method="GET"), {})
    assert isinstance(reply, Reply)
    assert (reply.status, re.sub(rb"(?: \(|; )the fake answers [^)]*(\))", _closed, payload(reply))) == (status, answer)


def _closed(found: re.Match[bytes]) -> bytes:
    return b")" if found[0].startswith(b";") else b""


@pytest.mark.parametrize(
    ("product", "owner"),
    [("vllm", "vllm"), ("llamacpp", "llamacpp"), ("lmstudio", "organization_owner"), ("ollama", "library")],
)
def test_models_are_listed_as_the_products_own(product: str, owner: str) -> None:
    answer = refused(at(product, "/v1/models"), None, 200, method="GET")
    assert answer["object"] == "list"
    assert {card["owned_by"] for card in answer["data"]} == {owner}


@pytest.mark.parametrize("product", PRODUCTS)
def test_other_methods_are_refused(product: str) -> None:
    for path, method in ((PATH, "GET"), ("/v1/models", "POST")):
        reply = local.read(request(at(product, path), method=method), {})
        assert isinstance(reply, Reply)
        assert reply.status == 405


@pytest.mark.parametrize(
    ("body", "headers", "dialect"),
    [
        (said(), {}, openai_compatible),
        (said(model="gpt-oss:20b"), {}, openai_compatible),
        (said(model="qwen3"), {"host": "127.0.0.1:8000"}, openai_compatible),
        (said(model="gpt-4o"), {}, openai),
        (said(model="o3-mini"), {}, openai),
        (said(), {"authorization": "Bearer sk-1"}, openai_compatible),
        (said(model="mistral:7b"), {"authorization": "Bearer sk-1"}, openai_compatible),
        (said(model="our-own"), {"authorization": "Bearer sk-1"}, openai),
        (said(model="our-own"), {"authorization": ""}, openai),
        (said(model="ft:gpt-4o-mini:us::1"), {"authorization": "Bearer sk-1"}, openai),
        (said(), {"authorization": "Bearer ollama", "host": "localhost:11434"}, openai_compatible),
        (said(model="gpt-4o"), {"host": HOSTS["local"]}, openai_compatible),
        (said(model=""), {}, openai),
        (b"{", {}, openai),
        (None, {}, openai),
    ],
)
def test_when_openais_paths_are_ollamas(body: Any, headers: dict[str, str], dialect: object) -> None:
    asking = request(PATH, body, **headers)
    assert dialect_for(asking) is dialect
    if dialect is openai_compatible:
        ask = local.read(asking, script())
        assert isinstance(ask, Ask)
        assert (ask.flavour, ask.provider) == ("ollama", "local")


def test_the_list_of_models_is_openais_but_at_ollamas_own_address() -> None:
    assert dialect_for(request("/v1/models", method="GET")) is openai
    assert dialect_for(request("/v1/models", method="GET", host="localhost:11434")) is openai_compatible


def test_what_is_like_openais_is_rendered_by_openais_dialect() -> None:
    body = {"model": "nomic-embed-text", "input": "x"}
    ask = asked(at("vllm", "/v1/embeddings"), body)
    assert (ask.provider, ask.flavour) == ("local", "vllm")
    answer = json.loads(payload(local.render(ask)))
    assert (answer["object"], answer["model"]) == ("list", "nomic-embed-text")
    reply = replied(at("lmstudio", "/v1/responses"), {"model": "m", "input": "scenario tiny"})
    assert json.loads(payload(reply))["object"] == "response"
