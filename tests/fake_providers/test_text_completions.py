"""OpenAI's legacy text completions."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.fake_providers.scripting.script import parse_script
from tests.fake_providers.routes_kit import OPENAI, Provider

PATH = "/v1/completions"
MODEL = "gpt-3.5-turbo-instruct"
TEXT = "Three small words."


def body(prompt: Any = "scenario three-tokens", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": prompt, **more}


@pytest.fixture
def openai() -> Provider:
    return Provider(OPENAI)


def test_a_whole_completion(openai: Provider) -> None:
    reply = openai.post(PATH, body()).json
    assert (reply["object"], reply["model"], reply["id"][:5]) == ("text_completion", MODEL, "cmpl-")
    assert reply["choices"] == [{"text": TEXT, "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert reply["usage"]["completion_tokens"] == 3
    assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] + 3


def test_a_stream(openai: Provider) -> None:
    found = openai.post(PATH, body(stream=True, stream_options={"include_usage": True}))
    *chunks, usage, done = found.events
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == TEXT
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-2:] == [None, "stop"]
    assert (usage["choices"], usage["usage"]["completion_tokens"], done) == ([], 3, "[DONE]")
    assert found.answer.stream


def test_prompts_and_choices_echoed(openai: Provider) -> None:
    prompts = ["Say it:", "scenario three-tokens"]
    reply = openai.post(PATH, body(prompts, n=2, echo=True)).json
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2, 3]
    assert [choice["text"] for choice in reply["choices"]] == [prompt + TEXT for prompt in prompts for _ in range(2)]
    assert reply["usage"]["completion_tokens"] == 12
    chunks = openai.post(PATH, body(prompts, n=2, echo=True, stream=True)).events[:-1]
    texts = ["", "", "", ""]
    for chunk in chunks:
        texts[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert texts == [choice["text"] for choice in reply["choices"]]


def test_log_probabilities(openai: Provider) -> None:
    likely = openai.post(PATH, body(logprobs=2)).json["choices"][0]["logprobs"]
    assert "".join(likely["tokens"]) == TEXT
    assert likely["text_offset"] == [0, 5, 11]
    assert all(number < 0 for number in likely["token_logprobs"])
    assert all(len(candidates) == 2 for candidates in likely["top_logprobs"])
    echoed = openai.post(PATH, body(logprobs=0, echo=True)).json["choices"][0]
    assert "".join(echoed["logprobs"]["tokens"]) == echoed["text"]
    assert echoed["logprobs"]["token_logprobs"][0] is None
    assert len({len(values) for values in echoed["logprobs"].values()}) == 1


def test_limits_and_stops(openai: Provider) -> None:
    cut = openai.post(PATH, body(max_tokens=2)).json["choices"][0]
    assert (cut["text"], cut["finish_reason"]) == ("Three small", "length")
    assert openai.post(PATH, body(stop=" words")).json["choices"][0]["text"] == "Three small"
    usual = openai.post(PATH, body("scenario hello")).json
    assert usual["usage"]["completion_tokens"] == 16, "without a limit it is 16 tokens"


@pytest.mark.parametrize(
    ("sent", "status", "param"),
    [
        ({"model": "gpt-4o", "prompt": "Hi"}, 404, "model"),
        ({"model": "gpt-9", "prompt": "Hi"}, 404, None),
        (body(messages=[]), 400, None),
        (body(prompt={}), 400, "prompt"),
        (body([]), 400, "prompt"),
        (body(["a", 5]), 400, "prompt[1]"),
        (body([[1, "b"]]), 400, "prompt[0]"),
        (body(logprobs=6), 400, "logprobs"),
        (body(n=3, best_of=2), 400, "best_of"),
        (body(best_of=3, stream=True), 400, "best_of"),
        (body(echo=True, suffix="!"), 400, "suffix"),
        (body([1, 2], echo=True), 400, "prompt"),
        (body("word " * 4_200), 400, None),
        (body("scenario no-such-thing"), 400, "prompt"),
    ],
)
def test_what_is_refused(openai: Provider, sent: Any, status: int, param: str | None) -> None:
    found = openai.post(PATH, sent)
    assert (found.status, found.json["error"]["param"]) == (status, param), found.body
    if sent.get("model") == "gpt-4o":
        assert "Did you mean to use v1/chat/completions?" in found.json["error"]["message"]


def test_what_text_cannot_say_is_refused(openai: Provider) -> None:
    assert openai.post(PATH, body("scenario tool-call")).json["error"]["code"] == "unplayable"
    wired = openai.post(PATH, body("scenario three-tokens wire crlf", stream=True))
    assert (wired.status, wired.json["error"]["code"]) == (400, "unplayable")
    assert openai.post(PATH, body([1, 2, 3], suffix="!")).status == 200
    assert openai.post(PATH, {"model": MODEL}).status == 200, "no prompt is the end of a document"


def test_thoughts_take_time_and_refusals_are_text(openai: Provider) -> None:
    toml = 'about = "x"\n[[steps]]\nthinking = ["Hm", "m"]\n[[steps]]\nrefusal = ["No", " way"]'
    openai.planner.library.register(parse_script("odd", toml))
    reply = openai.post(PATH, body("scenario odd")).json
    assert (reply["choices"][0]["text"], reply["usage"]["completion_tokens"]) == ("No way", 4)
    texts = [chunk["choices"][0]["text"] for chunk in openai.post(PATH, body("scenario odd", stream=True)).events[:-1]]
    assert "".join(texts) == "No way"


def test_faults(openai: Provider) -> None:
    events = openai.post(PATH, body("scenario error-mid", stream=True)).events
    assert "error" in events[-1]
    assert openai.post(PATH, body("scenario rate-limited")).status == 429


def test_local_servers_have_no_usual_limit() -> None:
    local = Provider(OPENAI)
    for product in ("ollama", "vllm", "llamacpp", "lmstudio"):
        sent = {"model": "llama3.2", "prompt": "scenario hello"}
        found = local.post(f"/{product}/v1/completions", sent)
        assert found.json["choices"][0]["finish_reason"] == "stop", product
        assert found.answer.provider == "local"
    assert local.post("/vllm/v1/completions", {"model": "nomic-embed-text", "prompt": "Hi"}).status == 400
