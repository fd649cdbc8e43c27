"""The official client of OpenAI, unmodified, against each local server that speaks its language."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chatproof.fake_providers.scripting.script import Script
from tests.clients.local_kit import MODEL, TOOL, asks, url
from tests.fake_providers.local_kit import PRODUCTS

openai = pytest.importorskip("openai", reason="openai is not installed: make setup")

__all__ = ["url"]


@pytest.fixture(params=PRODUCTS)
def product(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def compatible(url: str, product: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{url}/{product}/v1", api_key="none", max_retries=0, timeout=5) as made:
        yield made


def test_openai_reads_each_product(compatible: Any, scripts: Mapping[str, Script]) -> None:
    answer = compatible.chat.completions.create(**asks("nasty"))
    assert answer.choices[0].message.content == scripts["nasty"].text
    assert answer.usage.completion_tokens == len(scripts["nasty"].tokens)
    assert type(answer).model_validate(answer.model_dump(), strict=True)


def test_openai_streams_each_product(compatible: Any, scripts: Mapping[str, Script]) -> None:
    chunks = list(
        compatible.chat.completions.create(**asks("nasty"), stream=True, stream_options={"include_usage": True})
    )
    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert tuple(said) == scripts["nasty"].tokens
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens == len(said)
    for chunk in chunks:
        assert type(chunk).model_validate(chunk.model_dump(), strict=True)


def test_openai_gathers_each_products_calls(compatible: Any) -> None:
    with compatible.chat.completions.stream(**asks("calls"), tools=[TOOL]) as stream:
        streamed = stream.get_final_completion()
    whole = compatible.chat.completions.create(**asks("calls"), tools=[TOOL])
    for answer in (streamed, whole):
        (call,) = answer.choices[0].message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == (
            "get_weather",
            {"city": "Zürich", "days": 2},
        )
        assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("unauthorized", "AuthenticationError"),
        ("forbidden", "PermissionDeniedError"),
        ("not-found", "NotFoundError"),
        ("rate-limited", "RateLimitError"),
        ("server-error", "InternalServerError"),
        ("overloaded", "InternalServerError"),
        ("no-such-script", "BadRequestError"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_openai_raises_each_products_errors(compatible: Any, product: str, name: str, error: str, stream: bool) -> None:
    with pytest.raises(getattr(openai, error)) as raised:
        compatible.chat.completions.create(**asks(name, stream=stream))
    if product == "vllm" and name != "unauthorized":
        assert raised.value.body["code"] == raised.value.status_code  # a number; the client makes it a text


def test_openai_raises_an_error_in_the_middle(compatible: Any, scripts: Mapping[str, Script]) -> None:
    said: list[str] = []
    chunks = compatible.chat.completions.create(**asks("error-mid", stream=True))
    deltas = (choice.delta.content for chunk in chunks for choice in chunk.choices)
    with pytest.raises(openai.APIError):
        said.extend(delta for delta in deltas if delta)
    assert tuple(said) == scripts["error-mid"].tokens


def test_openai_lists_and_embeds(compatible: Any) -> None:
    assert next(model.id for model in compatible.models.list()) == MODEL
    found = compatible.embeddings.create(model="nomic-embed-text", input=["a", "b"])
    assert len(found.data) == 2
    assert math.fsum(number * number for number in found.data[0].embedding) == pytest.approx(1, abs=1e-5)


def test_openai_without_a_key_is_answered_by_ollama(url: str) -> None:
    keyless = {"extra_headers": {"Authorization": openai.Omit()}}
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        assert client.chat.completions.create(**asks("hello"), **keyless).system_fingerprint == "fp_ollama"
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(**asks("hello") | {"model": "gpt-4o"}, **keyless)
