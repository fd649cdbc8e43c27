"""OpenAI's chat completions beyond plain text: tool calls, several choices, limits of tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.scripting.script import Script
from tests.fake_providers.openai_kit import (
    ONE_CALL,
    TOOLS,
    TWO_CALLS,
    asked,
    chat,
    events,
    named,
    refused,
    replied,
    script,
    whole,
    without_ids,
)


def deltas(body: dict[str, Any], scripts: dict[str, Script]) -> list[dict[str, Any]]:
    return [chunk["choices"][0] for _, chunk in events(replied(body, scripts)) if chunk["choices"]]


def test_a_call_comes_in_fragments_of_its_arguments() -> None:
    found = deltas(chat(stream=True), named(TWO_CALLS))
    assert found[0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [one["delta"]["content"] for one in found[1:3]] == ["Let", " me see."]
    calls = [one["delta"]["tool_calls"][0] for one in found if "tool_calls" in one["delta"]]
    first = [call for call in calls if call["index"] == 0]
    assert first[0].keys() == {"index", "id", "type", "function"}
    assert first[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert all(call.keys() == {"index", "function"} and call["function"].keys() == {"arguments"} for call in first[1:])
    assert len(first) > 4
    assert json.loads("".join(call["function"]["arguments"] for call in first)) == {"city": "Zürich", "days": 2}
    second = [call for call in calls if call["index"] == 1]
    assert second[0]["id"] != first[0]["id"]
    assert "".join(call["function"]["arguments"] for call in second) == "{}"
    assert (found[-1]["delta"], found[-1]["finish_reason"]) == ({}, "tool_calls")
    assert all(one["logprobs"] is None and one["finish_reason"] is None for one in found[:-1])


def test_a_call_alone_has_null_for_content() -> None:
    assert deltas(chat(stream=True), named(ONE_CALL))[0]["delta"]["content"] is None
    message = whole(replied(chat(), named(ONE_CALL)))["choices"][0]["message"]
    assert message["content"] is None


def test_a_whole_reply_has_the_calls_that_its_stream_has() -> None:
    choice = whole(replied(chat(), named(TWO_CALLS)))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Let me see."
    streamed = [
        one["delta"]["tool_calls"][0]
        for one in deltas(chat(stream=True), named(TWO_CALLS))
        if "id" in one["delta"].get("tool_calls", [{}])[0]
    ]
    assert without_ids([call["id"] for call in choice["message"]["tool_calls"]]) == ["call_", "call_"]
    assert without_ids([call["id"] for call in streamed]) == ["call_", "call_"]
    assert [call["function"] for call in choice["message"]["tool_calls"]] == [
        {"name": "get_weather", "arguments": '{"city":"Zürich","days":2}'},
        {"name": "get_time", "arguments": "{}"},
    ]


def test_usage_counts_the_arguments() -> None:
    body = chat(stream=True, stream_options={"include_usage": True})
    streamed = events(replied(body, named(ONE_CALL)))[-1][1]["usage"]
    assert streamed == whole(replied(chat(), named(ONE_CALL)))["usage"]
    assert streamed["completion_tokens"] == len(
        [one for one in deltas(chat(stream=True), named(ONE_CALL)) if "tool_calls" in one["delta"]][1:]
    )


def test_several_choices_say_the_same_chunk_by_chunk() -> None:
    found = events(replied(chat(stream=True, n=3, stream_options={"include_usage": True})))
    by_choice: dict[int, list[Any]] = {0: [], 1: [], 2: []}
    for _, chunk in found[:-1]:
        assert len(chunk["choices"]) == 1
        by_choice[chunk["choices"][0].pop("index")].append(chunk["choices"][0])
    assert by_choice[0] == by_choice[1] == by_choice[2]
    assert found[-1][1]["usage"]["completion_tokens"] == 6
    answer = whole(replied(chat(n=3)))
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["completion_tokens"] == 6


def test_the_calls_of_several_choices_have_ids_of_their_own() -> None:
    answer = whole(replied(chat(n=2), named(TWO_CALLS)))
    ids = [call["id"] for choice in answer["choices"] for call in choice["message"]["tool_calls"]]
    streamed = [
        chunk["choices"][0]["delta"]["tool_calls"][0].get("id")
        for _, chunk in events(replied(chat(stream=True, n=2), named(TWO_CALLS)))
        if "tool_calls" in chunk["choices"][0]["delta"]
    ]
    assert len(set(ids)) == 4
    assert len({one for one in streamed if one}) == 4


def test_a_reply_too_large_for_the_memory_is_refused() -> None:
    long = script('[[steps]]\ntext = "word"\nrepeat = 50000')
    reply = openai.render(asked(chat(n=20), long))
    assert (reply.status, whole(reply)["error"]["param"]) == (400, "n")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_limit_of_tokens_ends_the_reply_with_length(name: str, stream: bool) -> None:
    body = chat(stream=stream, **{name: 1})
    if stream:
        found = deltas(body, script())
        assert [one["delta"].get("content") for one in found] == ["", "Où", None]
        assert found[-1]["finish_reason"] == "length"
        return
    answer = whole(replied(body))
    assert answer["choices"][0]["message"]["content"] == "Où"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 1


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    assert without_ids(whole(replied(chat(max_tokens=2)))) == without_ids(whole(replied(chat())))


def test_a_limit_can_fall_into_a_calls_arguments() -> None:
    answer = whole(replied(chat(max_tokens=4), named(TWO_CALLS)))
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "length"
    (call,) = choice["message"]["tool_calls"]
    assert '{"city":"Zürich","days":2}'.startswith(call["function"]["arguments"])
    assert answer["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize("top", [None, 0, 2])
def test_each_token_has_its_log_probability(top: int | None) -> None:
    wanted = {"logprobs": True, "top_logprobs": top}
    tokens = whole(replied(chat(**wanted)))["choices"][0]["logprobs"]["content"]
    assert [token["token"] for token in tokens] == ["Où", " là\u2028"]
    assert [len(token["top_logprobs"]) for token in tokens] == [top or 0] * 2
    streamed = [
        entry
        for _, chunk in events(replied(chat(stream=True, n=2, **wanted)))
        for choice in chunk["choices"]
        if choice["index"] == 1
        for entry in (choice["logprobs"] or {"content": []})["content"]
    ]
    assert streamed == tokens
    assert whole(replied(chat(**wanted), named(ONE_CALL)))["choices"][0]["logprobs"] is None


def test_harmless_parameters_are_taken() -> None:
    more: dict[str, Any] = {
        "stop": ["\n"],
        "seed": 7,
        "user": "u",
        "logprobs": False,
        "tools": TOOLS,
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "text"},
        "metadata": {"a": "b"},
        "temperature": None,
        "stream_options": None,
    }
    given, plain = (without_ids(whole(replied(chat(**options)))) for options in (more, {}))
    assert given.pop("usage")["prompt_tokens"] > plain.pop("usage")["prompt_tokens"]  # for the tools
    assert given == plain


def conversation(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}, *messages]}


def called(*ids: Any, **function: Any) -> dict[str, Any]:
    inner = {"name": "f", "arguments": "{}", **function}
    calls = [{"id": one, "type": "function", "function": inner} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(call: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": "21 °C"}


def test_calls_that_are_answered_are_fine() -> None:
    body = conversation(called("a", "b"), result("b"), result("a"), {"role": "user", "content": "scenario tiny"})
    assert asked(body).scenario == "tiny"
    assert asked(conversation(called("a"), result("a"))).text == "hi"


@pytest.mark.parametrize(
    ("sent", "param", "words"),
    [
        (conversation(result("a")), "messages.[1].role", "must be a response to a preceeding message"),
        (conversation(called("a"), result("b")), "messages.[2].role", "must be a response"),
        (conversation(called("a"), result("a"), result("x")), "messages.[3].role", "must be a response"),
        (conversation(called("a")), "messages.[2].role", "did not have response messages: a"),
        (
            conversation(called("a", "b"), result("a"), {"role": "user", "content": ""}),
            "messages.[3].role",
            "did not have response messages: b",
        ),
        (conversation({"role": "tool", "content": ""}), "messages[1].tool_call_id", "Missing"),
        (conversation(result(5)), "messages[1].tool_call_id", "expected a string"),
        (conversation(called(None)), "messages[1].tool_calls[0].id", "Missing"),
        (conversation(called(7)), "messages[1].tool_calls[0].id", "expected a string"),
        (conversation(called("a", arguments={})), "messages[1].tool_calls[0].function.arguments", "a string, but got"),
        (conversation(called("a", name=None)), "messages[1].tool_calls[0].function.name", "Missing"),
        (conversation({"role": "assistant", "tool_calls": []}), "messages[1].tool_calls", "empty array"),
        (conversation({"role": "assistant", "tool_calls": 5}), "messages[1].tool_calls", "an array of objects"),
        (conversation({"role": "assistant", "tool_calls": [5]}), "messages[1].tool_calls[0]", "an object"),
        (
            conversation({"role": "assistant", "tool_calls": [{"id": "a", "type": "x"}]}),
            "messages[1].tool_calls[0].type",
            "'function' and 'custom'",
        ),
        (
            conversation({"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]}),
            "messages[1].tool_calls[0].function",
            "Missing",
        ),
        (chat(tools={}), "tools", "expected an array of objects"),
        (chat(tools=[]), "tools", "empty array"),
        (chat(tools=["f"]), "tools[0]", "expected an object"),
        (chat(tools=[{}]), "tools[0].type", "Missing"),
        (chat(tools=[{"type": "f"}]), "tools[0].type", "'function' and 'custom'"),
        (chat(tools=[{"type": "function"}]), "tools[0].function", "Missing"),
        (chat(tools=[{"type": "function", "function": {}}]), "tools[0].function.name", "Missing"),
        (chat(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name", "pattern"),
        (
            chat(tools=[{"type": "function", "function": {"name": "a", "parameters": []}}]),
            "tools[0].function.parameters",
            "expected an object",
        ),
        (chat(tool_choice="auto"), "tool_choice", "only allowed when 'tools'"),
        (chat(parallel_tool_calls=True), "parallel_tool_calls", "only allowed when 'tools'"),
        (chat(tools=TOOLS, tool_choice="maybe"), "tool_choice", "'none', 'auto', and 'required'"),
        (chat(tools=TOOLS, tool_choice=5), "tool_choice", "one of a string or object"),
    ],
)
def test_wrong_tools_and_calls_are_refused(sent: Any, param: str, words: str) -> None:
    refusal = refused(sent)
    assert refusal["param"] == param
    assert words in refusal["message"]
