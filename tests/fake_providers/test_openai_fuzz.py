"""Whatever is sent, the OpenAI dialect answers: with what was asked for, or with a 400 of the API's shape."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatproof.fake_providers.dialects.base import Ask, Recall, Reply
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.planning.http_writes import plan_writes
from chatproof.fake_providers.planning.kept_replies import KeptReplies
from tests.fake_providers.openai_kit import CHAT, EMBEDDINGS, RESPONSES, TOOLS, chat, request, script, whole

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
VALID: dict[str, dict[str, Any]] = {
    CHAT: {
        **chat([{"type": "text", "text": "scenario tiny"}], stream=True, stream_options={"include_usage": True}),
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "scenario tiny"}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "x"},
        ],
        "tools": TOOLS,
        "tool_choice": "auto",
        "stop": ["a"],
        "n": 2,
        "max_tokens": 5,
        "temperature": 1,
        "logprobs": True,
        "top_logprobs": 1,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
        "metadata": {"a": "b"},
    },
    RESPONSES: {
        "model": "m",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "scenario tiny"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "text": {"format": {"type": "text"}},
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
        "stream": True,
        "max_output_tokens": 20,
        "instructions": "x",
    },
    EMBEDDINGS: {"model": "m", "input": ["a", "b"], "dimensions": 4, "encoding_format": "float", "user": "u"},
}
SCALARS = st.none() | st.booleans() | st.integers(-3, 3000) | st.floats(allow_nan=False) | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "id", "role", "x"]), inner),
    max_leaves=4,
)


def places(value: Any, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value within."""
    found = [trail] if trail else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += places(one, (*trail, key))
    return found


@pytest.mark.parametrize("path", VALID)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_value_in_any_place_breaks_the_dialect(path: str, data: st.DataObject) -> None:
    body = copy.deepcopy(VALID[path])
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from(places(body)))
        holder: Any = body
        for key in way:
            holder = holder[key]
        if data.draw(st.booleans()):
            holder[last] = data.draw(JSON)
        else:
            del holder[last]
    answer = openai.read(request(json.dumps(body).replace("Infinity", "1e999").encode(), path), script())
    if isinstance(answer, Recall):
        answer = answer.answer(KeptReplies())
    if isinstance(answer, Reply):
        assert answer.status == 400
        assert whole(answer)["error"]["message"]
        return
    assert hash(answer) == hash(answer)
    reply = openai.render(answer)
    assert reply.status in (200, 400)
    assert plan_writes(reply, True, True).writes


@pytest.mark.parametrize("path", VALID)
def test_what_is_changed_there_is_fine_unchanged(path: str) -> None:
    answer = openai.read(request(VALID[path], path), script())
    assert isinstance(answer, Ask), answer
    assert openai.render(answer).status == 200


def test_numbers_too_large_for_json_are_refused() -> None:
    sent = b'{"model": "m", "input": "a", "metadata": {"a": 1e999}}'
    answer = openai.read(request(sent, RESPONSES), script())
    assert isinstance(answer, Reply)
    assert "too large" in whole(answer)["error"]["message"]
