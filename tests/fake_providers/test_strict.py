"""Strict fakes: what they refuse of one model and take of another, and how they become lenient."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from chatproof.fake_providers.models.catalogue import STRICT, Provider, listed, model_of
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.planner import Planner
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.testing.inprocess import InProcess
from tests.fake_providers.test_inprocess_plugin import run

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
KEYS = {"authorization": "Bearer k", "x-goog-api-key": "k"}
PLANNER = Planner(ScriptLibrary(), strict=True)
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def chat(model: str, content: Any = "Hi", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


def sent(path: str, body: Any) -> tuple[int | None, Any]:
    request = as_request("POST", path, KEYS, json.dumps(body).encode())
    plan = PLANNER.answer(request, chunks_allowed=True, keep_alive=True).plan
    return plan.status, json.loads(b"".join(write.payload for write in plan.writes).partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    "body",
    [
        chat("gpt-5", max_completion_tokens=50, reasoning_effort="minimal", temperature=1, top_p=1, n=1),
        chat("gpt-5", presence_penalty=0, frequency_penalty=0, logprobs=False, stop=None),
        chat("gpt-5.1", temperature=0.2, top_p=0.5, logprobs=True, top_logprobs=2),  # it thinks only when told to
        chat("gpt-5.4", reasoning_effort="none", temperature=0.2, tools=[TOOL]),
        chat("gpt-5.6-luna", reasoning_effort="none", tools=[TOOL]),
        chat("gpt-5.6-luna", tools=[TOOL]),
        chat("gpt-4o", temperature=0, max_tokens=16_384, stop="x", parallel_tool_calls=False, tools=[TOOL]),
        chat("gpt-4o", [IMAGE]),
        chat("gpt-4o", metadata={"a": "b"}, store=True),
        chat("gpt-4o", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
        chat("gpt-5.1", service_tier="flex"),
        chat("o1", stop="x", reasoning_effort="high"),
        chat("ft:gpt-4o-mini-2024-07-18:us::1", temperature=0),
        chat("gpt-5-search-api", web_search_options={}),
        chat("gpt-audio", [SOUND]),
    ],
)
def test_what_a_model_takes(body: dict[str, Any]) -> None:
    status, answer = sent(CHAT, body)
    assert status == 200, answer


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            chat("gpt-5.1", reasoning_effort="low", temperature=0.2),
            "'temperature' does not support 0.2 with this model",
        ),
        (chat("gpt-5.5", top_p=0.5), "'top_p' is not supported with this model"),
        (chat("gpt-5.4", reasoning_effort="low", logprobs=True), "'logprobs' is not supported"),
        (chat("gpt-4o", verbosity="low"), "'verbosity' does not support 'low' with this model"),
        (chat("gpt-5-pro"), "only supported in v1/responses"),
        (chat("gpt-6.2-sol", reasoning_effort="none"), "'low', 'medium', 'high', 'xhigh', and 'max'."),
        (chat("gpt-5.6-luna", reasoning_effort="low", tools=[TOOL]), "Function tools with reasoning_effort"),
        (
            chat("gpt-4", "json", response_format={"type": "json_object"}),
            "'json_object' is not supported with this model",
        ),
        (
            chat("gpt-4-turbo", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
            "'json_schema' is not supported with this model",
        ),
        (chat("gpt-4o", web_search_options={}), "Web search options not supported with this model."),
        (chat("gpt-5-search-api", temperature=0.1), "Model incompatible request argument supplied: temperature"),
        (chat("gpt-audio"), "either input content or output modality contain audio"),
        (chat("gpt-4o", [SOUND]), "input_audio is only supported by certain models"),
        (chat("o3-mini", [IMAGE]), "image_url is only supported by certain models"),
        (chat("ft:gpt-nine:us::1"), "does not exist or you do not have access to it"),
        (chat("chatgpt-4o-latest"), "has been deprecated, learn more here"),
        (chat("o3", "word " * 101_000), "exceed the configured limit of 100000 tokens. Your messages resulted in"),
    ],
)
def test_what_a_model_does_not_take(body: dict[str, Any], words: str) -> None:
    status, answer = sent(CHAT, body)
    assert status in (400, 404)
    assert words in answer["error"]["message"]
    assert answer["error"]["message"].endswith("or no --strict.)")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "gpt-5", "temperature": 0.5}, "'temperature' is not supported with this model"),
        ({"model": "gpt-4o", "reasoning": {"effort": "low"}}, "'reasoning.effort' is not supported with this model"),
        ({"model": "gpt-5-pro", "reasoning": {"effort": "low"}}, "'low' is not supported with the 'gpt-5-pro' model"),
        ({"model": "gpt-4o", "include": ["reasoning.encrypted_content"]}, "Encrypted content is not supported"),
        ({"model": "gpt-4o", "conversation": {"id": "conv_1"}}, "Conversation with id 'conv_1' not found."),
        ({"model": "gpt-4o", "text": {"verbosity": "low"}}, "'low' is not supported with the 'gpt-4o' model"),
        ({"model": "gpt-audio"}, "cannot be used with the Responses API"),
    ],
)
def test_what_a_model_does_not_take_of_a_response(body: dict[str, Any], words: str) -> None:
    _, answer = sent(RESPONSES, {"input": "Hi", **body})
    assert words in answer["error"]["message"]
    assert sent(RESPONSES, {"model": "gpt-4o", "input": "word " * 130_000, "truncation": "auto"})[0] == 200


def part(**call: Any) -> dict[str, Any]:
    return {"functionCall": {"name": "f", "args": {}}, **call}


SKIPPED = "skip_thought_signature_validator"  # which Google documents for calls of other origin
ANSWER: dict[str, Any] = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}
ASKED = {"role": "user", "parts": [{"text": "Hi"}]}
SAID = {"role": "model", "parts": [{"text": "Yes"}]}


@pytest.mark.parametrize(
    ("contents", "position"),
    [
        ([ASKED, {"role": "model", "parts": [part(thoughtSignature="c2ln")]}, ANSWER], None),
        ([ASKED, {"role": "model", "parts": [part()]}, ANSWER], 2),
        (
            [ASKED, {"role": "model", "parts": [part(thoughtSignature=SKIPPED)]}, ANSWER],
            None,
        ),
        # of several calls at once the first has the signature
        (
            [
                ASKED,
                {"role": "model", "parts": [part(thoughtSignature="c2ln"), part()]},
                {"role": "user", "parts": ANSWER["parts"] * 2},
            ],
            None,
        ),
        # each step of the turn has its own
        (
            [
                ASKED,
                {"role": "model", "parts": [part(thoughtSignature="c2ln")]},
                ANSWER,
                {"role": "model", "parts": [part()]},
                ANSWER,
            ],
            4,
        ),
        # an earlier turn's calls are not looked at
        (
            [ASKED, {"role": "model", "parts": [part()]}, ANSWER, SAID, ASKED],
            None,
        ),
    ],
)
def test_geminis_signatures_in_the_current_turn(contents: list[Any], position: int | None) -> None:
    status, answer = sent("/v1beta/models/gemini-3.8-flash:generateContent", {"contents": contents})
    assert status == (200 if position is None else 400)
    if position is not None:
        assert f"function call `default_api:f` , position {position}." in answer["error"]["message"]
    assert sent("/v1beta/models/gemini-2.5-flash:generateContent", {"contents": contents})[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (
            "/ollama/v1/chat/completions",
            chat("llama3.2", reasoning_effort="low"),
            '"llama3.2" does not support thinking',
        ),
        ("/ollama/v1/chat/completions", chat("gemma3", tools=[TOOL]), "library/gemma3:latest does not support tools"),
        ("/ollama/v1/chat/completions", chat("llama3.2", [IMAGE]), "missing data required for image input"),
        ("/ollama/v1/embeddings", {"model": "llama3.2", "input": "Hi"}, "this model does not support embeddings"),
        ("/vllm/v1/chat/completions", chat("nomic-embed-text"), "does not support Chat Completions API"),
        ("/vllm/v1/chat/completions", chat("our-own"), "The model `our-own` does not exist."),
        ("/lmstudio/v1/chat/completions", chat("our-own"), "The model `our-own` does not exist."),
        ("/vllm/v1/chat/completions", chat("llama3.2", "word " * 33_000), "maximum context length is 32768 tokens"),
        ("/llamacpp/v1/chat/completions", chat("llama3.2", "word " * 33_000), "exceeds the available context size"),
    ],
)
def test_local_servers_refuse_what_their_models_cannot(path: str, body: dict[str, Any], words: str) -> None:
    status, answer = sent(path, body)
    assert status in (400, 404)
    assert words in answer["error"]["message"]


def test_ollama_embeds_what_is_too_long_unless_it_may_not_cut_it() -> None:
    long = {"model": "mxbai-embed-large", "input": "word " * 600}
    assert sent("/api/embed", long)[0] == 200
    status, answer = sent("/api/embed", {**long, "truncate": False})
    assert (status, answer["error"].partition(" (")[0]) == (400, "the input length exceeds the context length")


def test_the_catalogue_names_each_model_once_and_knows_its_tokenizer() -> None:
    for provider in get_args(Provider):
        names = [model.name for model in listed(provider)]
        assert len(names) == len(set(names))
        for model in listed(provider):
            assert STRICT.find(provider, model.name) is model
            assert model.effort == "" or model.effort in model.efforts
    assert [model_of("openai", name).tokenizer for name in ("gpt-4", "gpt-4o", "gpt-7")] == ["cl100k", "o200k", "o200k"]
    assert STRICT.find("local", "llama3.2") is STRICT.find("local", "llama3.2:latest")


def test_a_fixture_can_be_lenient() -> None:
    with InProcess("openai", pace=0) as fakes, httpx.Client(headers=KEYS) as client:
        url = f"{fakes.base_url}/chat/completions"
        assert client.post(url, json=chat("our-own")).status_code == 404
        fakes.strict = False
        assert client.post(url, json=chat("our-own")).status_code == 200
    with InProcess("openai", pace=0, strict=False) as fakes, httpx.Client(headers=KEYS) as client:
        assert client.post(url, json=chat("our-own")).status_code == 200


def test_pytests_settings_make_all_fixtures_lenient(tmp_path: Path) -> None:
    test = "def test_mine(fake_openai, fake_server):\n    assert not fake_openai.strict and not fake_server.strict"
    said = run(tmp_path, test, ini="fake_strict = no")
    assert "1 passed" in said, said


def test_they_are_served_strictly_on_request() -> None:
    command = [sys.executable, "-m", "chatproof.fake_providers", "--strict", "--port", "0", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().partition("OPENAI_BASE_URL=")[2].rstrip(")\n")
        answer = httpx.post(f"{url}/chat/completions", json=chat("our-own"), headers=KEYS, trust_env=False)
        process.stdin.close()
    assert answer.status_code == 404
