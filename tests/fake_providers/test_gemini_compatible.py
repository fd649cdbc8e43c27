"""Gemini at its OpenAI-compatible addresses."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.fake_providers.scripting.script import parse_script
from tests.fake_providers.routes_kit import OPENAI, Provider

ROOT = "/v1beta/openai"
CHAT = f"{ROOT}/chat/completions"
MODEL = "gemini-3.8-flash"
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


def said(text: str = "scenario three-tokens", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


@pytest.fixture
def gemini() -> Provider:
    return Provider(OPENAI)


def test_a_whole_reply(gemini: Provider) -> None:
    found = gemini.post(CHAT, said())
    reply = found.json
    assert (reply["object"], reply["model"], found.answer.provider) == ("chat.completion", MODEL, "gemini")
    assert reply["choices"][0]["message"]["content"] == "Three small words."
    assert reply["usage"] == {"completion_tokens": 3, "prompt_tokens": 11, "total_tokens": 14}
    assert not any(name.startswith("openai-") for name in found.headers)


def test_a_stream_has_the_role_in_every_chunk(gemini: Provider) -> None:
    *chunks, usage, done = gemini.post(CHAT, said(stream=True, stream_options={"include_usage": True})).events
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Three small words."
    assert {delta["role"] for delta in deltas} == {"assistant"}
    assert (chunks[-1]["choices"][0]["finish_reason"], usage["choices"], done) == ("stop", [], "[DONE]")


def test_a_call_comes_whole_and_signed_and_must_come_back_signed(gemini: Provider) -> None:
    found = gemini.post(CHAT, said("scenario tool-call", stream=True, tools=[TOOL])).events
    (call,) = [one for chunk in found[:-1] for one in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert "index" not in call
    assert call["extra_content"]["google"]["thought_signature"]
    whole = gemini.post(CHAT, said("scenario tool-call", tools=[TOOL])).json["choices"][0]["message"]
    history = [*said("scenario tool-call")["messages"], whole]
    result = {"role": "tool", "tool_call_id": whole["tool_calls"][0]["id"], "content": "rain"}
    assert gemini.post(CHAT, {**said(tools=[TOOL]), "messages": [*history, result]}).status == 200
    del whole["tool_calls"][0]["extra_content"]
    lost = gemini.post(CHAT, {**said(tools=[TOOL]), "messages": [*history, result]})
    assert (lost.status, "missing a thought_signature" in lost.json[0]["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "word"),
    [
        ("POST", CHAT, said(model="gemini-9"), 404, "NOT_FOUND"),
        ("POST", CHAT, said(model="gemini-embedding-001"), 404, "NOT_FOUND"),
        ("POST", CHAT, said(temperature=9), 400, "INVALID_ARGUMENT"),
        ("POST", CHAT, said(n=2), 400, "INVALID_ARGUMENT"),
        ("POST", CHAT, said(top_k=5), 400, "INVALID_ARGUMENT"),
        ("POST", CHAT, {"model": MODEL}, 400, "INVALID_ARGUMENT"),
        ("POST", CHAT, said("scenario no-such-thing"), 400, "INVALID_ARGUMENT"),
        ("POST", CHAT, said("scenario rate-limited"), 429, "RESOURCE_EXHAUSTED"),
        ("GET", CHAT, None, 404, "NOT_FOUND"),
        ("POST", f"{ROOT}/images/generations", {}, 404, "NOT_FOUND"),
        ("POST", f"{ROOT}/embeddings", {"model": MODEL, "input": "Hi"}, 404, "NOT_FOUND"),
        ("POST", f"{ROOT}/embeddings", {"model": "gemini-embedding-001", "input": ""}, 400, "INVALID_ARGUMENT"),
        ("GET", f"{ROOT}/models/gemini-9", None, 404, "NOT_FOUND"),
    ],
)
def test_errors_are_arrays_of_googles(
    gemini: Provider, method: str, target: str, body: Any, status: int, word: str
) -> None:
    found = gemini.send(method, target, body)
    ((error,),) = [one.values() for one in found.json]
    assert (found.status, error["code"], error["status"]) == (status, status, word)


def test_the_key_is_a_bearer() -> None:
    for key in (("x-goog-api-key", "k"), ("authorization", "k")):
        found = Provider(key).post(CHAT, said())
        assert (found.status, found.json[0]["error"]["message"]) == (400, "Missing or invalid Authorization header.")


def test_a_wrong_key_is_googles_400(gemini: Provider) -> None:
    gemini.planner.library.register(parse_script("bad", 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 401'))
    found = gemini.post(CHAT, said("scenario bad"))
    assert (found.status, found.json[0]["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")


def test_a_blocked_prompt_is_a_choice_without_a_word(gemini: Provider) -> None:
    gemini.planner.library.register(parse_script("blocked", 'about = "x"\nblocked = "SAFETY"'))
    choice = gemini.post(CHAT, said("scenario blocked")).json["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("content_filter", "")


def test_embeddings_and_models(gemini: Provider) -> None:
    embedded = gemini.post(f"{ROOT}/embeddings", {"model": "gemini-embedding-001", "input": ["a", "b"]}).json
    assert [len(one["embedding"]) for one in embedded["data"]] == [3_072, 3_072]
    names = [model["id"] for model in gemini.get(f"{ROOT}/models").json["data"]]
    assert f"models/{MODEL}" in names
    for name in (MODEL, f"models/{MODEL}"):
        assert gemini.get(f"{ROOT}/models/{name}").json["id"] == f"models/{MODEL}"


def test_structured_replies_thoughts_and_wires(gemini: Provider) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "trip", "schema": schema}}
    text = gemini.post(CHAT, said("Hi", response_format=wanted)).json["choices"][0]["message"]["content"]
    assert '"city"' in text
    usage = gemini.post(CHAT, said("scenario reasoning")).json["usage"]
    assert usage["total_tokens"] > usage["completion_tokens"] + usage["prompt_tokens"]
    wired = gemini.post(CHAT, said("scenario three-tokens wire crlf", stream=True))
    assert b"\r\n\r\n" in wired.body
    google = {"google": {"thinking_config": {"thinking_budget": 0}}}
    assert gemini.post(CHAT, said(extra_body=google)).status == 200
