"""The official Python client of Ollama, unmodified, against the fake one."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx
import pytest

from chatproof.fake_providers.scripting.script import Script, parse_script
from tests.clients.local_kit import MODEL, STATUSES, TOOL, asks, url
from tests.clients.tokens import tokens_of
from tests.fake_providers.local_kit import CALL, payload, replied

ollama = pytest.importorskip("ollama", reason="ollama is not installed: make setup")

__all__ = ["url"]

NOT_IN_PYTHONS_TYPES = {"id", "index", "name", "tool_calls"}
"""What Ollama sends and its Python client leaves out: ids of calls, a model's name (`model` is the same), and
the calls of a generated text."""


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    with ollama.Client(host=url, trust_env=False, timeout=5) as made:
        yield made


@pytest.fixture
async def async_client(url: str) -> AsyncIterator[Any]:
    made = ollama.AsyncClient(host=url, trust_env=False, timeout=5)
    yield made
    await made.close()


def test_python_reads_a_whole_chat(client: Any, scripts: Mapping[str, Script]) -> None:
    answer = client.chat(**asks("unicode"))
    assert answer.message.content == scripts["unicode"].text
    assert (answer.done, answer.done_reason, answer.eval_count) == (True, "stop", len(tokens_of(scripts["unicode"])))
    assert answer.total_duration == answer.load_duration + answer.prompt_eval_duration + answer.eval_duration


@pytest.mark.parametrize("name", ["hello", "nasty", "unicode", "split-bytes", "long", "pairs"])
def test_python_reads_a_stream_token_by_token(client: Any, scripts: Mapping[str, Script], name: str) -> None:
    parts = list(client.chat(**asks(name, stream=True)))
    assert [part.message.content for part in parts[:-1]] == tokens_of(scripts[name])
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].eval_count == len(tokens_of(scripts[name]))


async def test_async_python_reads_a_stream(async_client: Any, scripts: Mapping[str, Script]) -> None:
    parts = [part async for part in await async_client.chat(**asks("nasty", stream=True))]
    assert "".join(part.message.content for part in parts) == scripts["nasty"].text
    answer = await async_client.generate(model=MODEL, prompt="scenario hello")
    assert answer.response == scripts["hello"].text


def test_python_reads_generated_text(client: Any, scripts: Mapping[str, Script]) -> None:
    parts = list(client.generate(model=MODEL, prompt="scenario nasty", stream=True))
    assert "".join(part.response for part in parts) == scripts["nasty"].text
    again = client.generate(model=MODEL, prompt="scenario hello", context=parts[-1].context)
    assert again.response == scripts["hello"].text


@pytest.mark.parametrize("stream", [True, False])
def test_python_gets_a_call_and_sends_its_result(client: Any, stream: bool) -> None:
    asked = asks("calls", stream=stream, tools=[TOOL])
    answers = list(client.chat(**asked)) if stream else [client.chat(**asked)]
    (call,) = [call for answer in answers for call in answer.message.tool_calls or ()]
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Zürich", "days": 2})
    said = next(answer.message for answer in answers if answer.message.tool_calls)
    messages = [*asked["messages"], said, {"role": "tool", "content": "sun", "tool_name": "get_weather"}]
    assert client.chat(model=MODEL, messages=messages, tools=[TOOL]).done


def test_python_gets_no_more_than_it_wants(client: Any) -> None:
    answer = client.chat(**asks("long"), options={"num_predict": 5, "temperature": 0.5, "stop": ["x"]})
    assert (answer.eval_count, answer.done_reason) == (5, "length")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", STATUSES)
def test_python_raises_with_the_status(client: Any, name: str, stream: bool) -> None:
    with pytest.raises(ollama.ResponseError) as raised:
        list(client.chat(**asks(name, stream=stream)))
    assert raised.value.status_code == STATUSES[name]
    assert raised.value.error
    assert "{" not in raised.value.error


async def test_async_python_raises_with_the_status(async_client: Any) -> None:
    with pytest.raises(ollama.ResponseError, match="pending requests") as raised:
        async for _ in await async_client.chat(**asks("overloaded", stream=True)):
            pass
    assert raised.value.status_code == 503


def test_python_raises_what_breaks_in_the_middle(client: Any, scripts: Mapping[str, Script]) -> None:
    for name, error in (
        ("error-mid", ollama.ResponseError),
        ("malformed-mid", json.JSONDecodeError),
        ("cut-mid", httpx.RemoteProtocolError),
        ("reset-mid", httpx.ReadError),
    ):
        said: list[str] = []
        with pytest.raises(error):
            said.extend(part.message.content for part in client.chat(**asks(name, stream=True)))
        assert said == tokens_of(scripts[name])
    # A clean early end raises nothing: only the missing `done` shows it.
    assert not any(part.done for part in client.chat(**asks("drop-mid", stream=True)))


def test_python_tells_a_missing_model(client: Any) -> None:
    for ask, arguments in (
        (client.show, {}),
        (client.chat, {"messages": [{"role": "user", "content": "x"}]}),
        (client.embed, {"input": "x"}),
    ):
        with pytest.raises(ollama.ResponseError, match="model 'missing' not found") as raised:
            ask(model="missing", **arguments)
        assert raised.value.status_code == 404


def test_python_embeds(client: Any) -> None:
    found = client.embed(model="nomic-embed-text", input=["a", "b"])
    for vector in found.embeddings:
        assert math.fsum(number * number for number in vector) == pytest.approx(1, abs=1e-6)
    assert found.embeddings[0] != found.embeddings[1]
    assert len(client.embed(model=MODEL, input="a", dimensions=32).embeddings[0]) == 32
    assert len(client.embeddings(model="nomic-embed-text", prompt="a").embedding) == 768


def test_python_looks_models_up(client: Any) -> None:
    assert f"{MODEL}:latest" in [model.model for model in client.list().models]
    assert client.ps().models[0].context_length
    shown = client.show(MODEL)
    assert shown.modelinfo["general.architecture"] == shown.details.family == "llama"
    assert "tools" in shown.capabilities


def test_python_sees_a_sequence_through(client: Any) -> None:
    with pytest.raises(ollama.ResponseError):
        client.chat(**asks("at-first"))
    assert client.chat(**asks("at-first")).done


def test_every_object_is_of_pythons_own_types(scripts: Mapping[str, Script]) -> None:
    played = {**scripts, "calls": parse_script("calls", CALL)}
    for name in played:
        for stream in (True, False):
            chat = replied("/api/chat", asks(name, stream=stream), played)
            prompt = {"model": MODEL, "prompt": f"scenario {name}", "stream": stream}
            for kind, reply in (
                (ollama.ChatResponse, chat),
                (ollama.GenerateResponse, replied("/api/generate", prompt, played)),
            ):
                if reply.status == 200:
                    _check_lines(kind, payload(reply))


def test_every_other_answer_is_of_pythons_own_types(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as http:
        _check(ollama.ListResponse, http.get("/api/tags").json())
        _check(ollama.ProcessResponse, http.get("/api/ps").json())
        for path, kind, body in (
            ("/api/show", ollama.ShowResponse, {}),
            ("/api/embed", ollama.EmbedResponse, {"input": ["x", "y"]}),
            ("/api/embeddings", ollama.EmbeddingsResponse, {"prompt": "x"}),
            ("/api/chat", ollama.ChatResponse, {}),
        ):
            _check(kind, http.post(path, json={"model": MODEL, **body}).json())


def _check_lines(kind: Any, data: bytes) -> None:
    """Every whole line; what a fault broke is left out."""
    for line in data.split(b"\n"):
        if line.endswith(b"}") and not line.startswith(b'{"error":'):
            _check(kind, json.loads(line))


def _check(kind: Any, value: Any) -> None:
    assert _unknown(value, kind(**value).model_dump(mode="json", by_alias=True)) <= NOT_IN_PYTHONS_TYPES


def _unknown(sent: Any, kept: Any) -> set[str]:
    """The keys that were sent and that the client's type does not have."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        lost = sent.keys() - kept.keys()
        return lost.union(*(_unknown(sent[key], kept[key]) for key in sent.keys() & kept.keys()))
    if isinstance(sent, list) and isinstance(kept, list):
        return set[str]().union(*(_unknown(*pair) for pair in zip(sent, kept, strict=True)))
    return set()


def test_heads_and_health(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as http:
        assert http.get("/").text == "Ollama is running"
        head = http.head("/")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "17")
        assert (http.get("/vllm/health").status_code, http.get("/vllm/health").content) == (200, b"")
        assert http.get("/llamacpp/health").json() == {"status": "ok"}


def test_a_stream_is_as_late_as_it_says(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=10) as http:
        answer = http.post("/api/chat", json=asks("paced", stream=False))
    assert answer.elapsed.total_seconds() >= answer.json()["total_duration"] / 1e9 - 0.01
