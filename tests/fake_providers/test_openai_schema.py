"""Every frame against the official Python client's own types: nothing missing, nothing of a wrong type, nothing new."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from chatproof.fake_providers.dialects.base import Reply
from chatproof.fake_providers.dialects.openai import completions_request as chat_request
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.openai import embeddings as embeddings
from chatproof.fake_providers.dialects.openai import response_items as items
from chatproof.fake_providers.dialects.openai import responses_request as responses_request
from chatproof.fake_providers.scripting.script import BUILT_IN, Script, load_scripts
from tests.fake_providers.openai_kit import (
    CHAT,
    EMBEDDINGS,
    ONE_CALL,
    RESPONSES,
    TOOLS,
    TWO_CALLS,
    chat,
    events,
    named,
    replied,
    request,
    whole,
)

pytest.importorskip("openai", reason="the official openai client is not installed")

from openai.types import CreateEmbeddingResponse, Model, embedding_create_params
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params
from openai.types.responses import (
    Response,
    ResponseIncludable,
    ResponseInputItemParam,
    ResponseStreamEvent,
    response_create_params,
)
from openai.types.shared import ErrorObject
from openai.types.shared_params import Reasoning
from pydantic import BaseModel, TypeAdapter

SCRIPTS = load_scripts(BUILT_IN)
LONG = ("long", "minute")
"""Scripts whose many frames would say nothing that `hundred-tokens` does not."""


SHOWN = ("store",)
"""What the examples of the API's reference show and the client's types lack."""


def unknown(value: Any, place: str = "") -> Iterator[str]:
    """The names that the client's types do not have."""
    if isinstance(value, BaseModel):
        yield from (f"{place}.{name}" for name in value.model_extra or () if name not in SHOWN)
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from unknown(one, f"{place}[{index}]")


@lru_cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """The client's union of all stream events takes a second to prepare."""
    return TypeAdapter(kind)


def check(kind: Any, data: Any) -> None:
    assert not list(unknown(adapter(kind).validate_python(data))), data


CASES = [
    *[pytest.param(f"scenario {name}", SCRIPTS, id=name) for name in SCRIPTS if name not in LONG],
    pytest.param("scenario tiny", named(ONE_CALL), id="one call"),
    pytest.param("scenario tiny", named(TWO_CALLS), id="two calls"),
    pytest.param("Hi", SCRIPTS, id="no script"),
]


@pytest.mark.parametrize(("text", "scripts"), CASES)
@pytest.mark.parametrize("more", [{}, {"stream_options": {"include_usage": True}}, {"n": 2, "max_tokens": 2}])
def test_chunks(text: str, scripts: dict[str, Script], more: dict[str, Any]) -> None:
    reply = replied(chat(text, stream=True, **more), scripts)
    if reply.status != 200:
        return
    for name, data in events(reply):
        assert name is None
        check(ErrorObject if "error" in data else ChatCompletionChunk, data.get("error", data))


@pytest.mark.parametrize(("text", "scripts"), CASES)
@pytest.mark.parametrize("more", [{}, {"max_output_tokens": 16}])
def test_response_events(text: str, scripts: dict[str, Script], more: dict[str, Any]) -> None:
    reply = replied({"model": "m", "input": text, "stream": True, **more}, scripts, RESPONSES)
    if reply.status == 200:
        for name, data in events(reply):
            assert name == data["type"]
            check(ResponseStreamEvent, data)


@pytest.mark.parametrize(("text", "scripts"), CASES)
def test_whole_answers(text: str, scripts: dict[str, Script]) -> None:
    tool = {"type": "function", "name": "f", "parameters": {}}
    for path, body, kind in (
        (CHAT, chat(text, n=2, tools=TOOLS), ChatCompletion),
        (RESPONSES, {"model": "m", "input": text, "instructions": "x", "tools": [tool]}, Response),
        (EMBEDDINGS, {"model": "m", "input": text}, CreateEmbeddingResponse),
    ):
        reply = replied(body, scripts, path)
        if reply.status == 200 and not reply.faulted:
            check(kind, whole(reply))
        elif reply.status is not None and reply.status >= 400 and reply.frames[0].payload[:1] == b"{":
            check(ErrorObject, whole(reply)["error"])


def test_models() -> None:
    reply = openai.read(request(b"", "/v1/models", "GET"), {})
    assert isinstance(reply, Reply)
    check(list[Model], whole(reply)["data"])


def test_the_known_parameters_are_the_clients() -> None:
    """A parameter that the client gains is to be accepted here too."""
    for known, kinds in (
        (
            chat_request.KNOWN,
            [
                completion_create_params.CompletionCreateParamsStreaming,
                completion_create_params.CompletionCreateParamsNonStreaming,
            ],
        ),
        (
            responses_request.KNOWN,
            [
                response_create_params.ResponseCreateParamsStreaming,
                response_create_params.ResponseCreateParamsNonStreaming,
            ],
        ),
        (embeddings.KNOWN, [embedding_create_params.EmbeddingCreateParams]),
    ):
        assert known == {name for kind in kinds for name in get_type_hints(kind)}


def words(kind: Any) -> set[str]:
    """All literals within a type."""
    if get_origin(kind) is not None and all(isinstance(one, str) for one in get_args(kind)):
        return set(get_args(kind))
    return {word for inner in get_args(kind) for word in words(inner)}


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        (chat_request.WORDS, completion_create_params.CompletionCreateParamsNonStreaming),
        (responses_request.WORDS, response_create_params.ResponseCreateParamsNonStreaming),
    ],
)
def test_the_known_words_are_the_clients(known: dict[str, tuple[str, ...]], kind: Any) -> None:
    hints = get_type_hints(kind)
    for name, expected in known.items():
        assert set(expected) == words(hints[name]), name


def test_the_known_wishes_about_reasoning_are_the_clients() -> None:
    assert set(responses_request.INCLUDABLE) == set(get_args(ResponseIncludable))
    assert set(responses_request.SUMMARIES) == words(get_type_hints(Reasoning)["summary"])


def test_the_known_items_are_the_clients() -> None:
    kinds = {word for one in get_args(ResponseInputItemParam) for word in words(get_type_hints(one)["type"])}
    assert set(items.KINDS) == kinds
