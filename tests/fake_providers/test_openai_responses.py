"""OpenAI's responses: the events in their order, the same as the response in one piece, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.fake_providers.scripting.script import Script
from tests.fake_providers.openai_kit import (
    ONE_CALL,
    RESPONSES,
    TWO_CALLS,
    asked,
    events,
    named,
    payload,
    refused,
    replied,
    script,
    whole,
    without_ids,
)


def body(given: Any = "Hi, scenario tiny", **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "input": given, **more}


def streamed(scripts: dict[str, Script] | None = None, **more: Any) -> list[dict[str, Any]]:
    found = events(replied(body(stream=True, **more), scripts, RESPONSES))
    assert all(name == data["type"] for name, data in found)
    return [data for _, data in found]


def answered(scripts: dict[str, Script] | None = None, **more: Any) -> dict[str, Any]:
    return whole(replied(body(**more), scripts, RESPONSES))


def test_the_events_of_a_text_come_in_the_apis_order() -> None:
    found = streamed()
    assert [event["type"] for event in found] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event["sequence_number"] for event in found] == list(range(10))
    assert [event["delta"] for event in found[4:6]] == ["Où", " là\u2028"]
    assert found[6]["text"] == "Où là\u2028"
    assert {event["item_id"] for event in found if "item_id" in event} == {found[2]["item"]["id"]}
    assert found[0]["response"]["status"] == found[2]["item"]["status"] == "in_progress"
    assert found[0]["response"]["output"] == found[2]["item"]["content"] == []
    assert found[0]["response"]["usage"] is None


def test_there_is_no_done_marker() -> None:
    assert b"[DONE]" not in payload(replied(body(stream=True), path=RESPONSES))


def test_a_call_comes_in_fragments_of_its_arguments() -> None:
    found = streamed(named(TWO_CALLS))
    added = [event["item"] for event in found if event["type"] == "response.output_item.added"]
    assert [item["type"] for item in added] == ["message", "function_call", "function_call"]
    assert [event["output_index"] for event in found if event["type"] == "response.output_item.done"] == [0, 1, 2]
    assert (added[1]["arguments"], added[1]["name"], added[1]["status"]) == ("", "get_weather", "in_progress")
    fragments = [
        event["delta"]
        for event in found
        if event["type"] == "response.function_call_arguments.delta" and event["output_index"] == 1
    ]
    assert len(fragments) > 3
    assert json.loads("".join(fragments)) == {"city": "Zürich", "days": 2}
    done = next(event for event in found if event["type"] == "response.function_call_arguments.done")
    assert done["arguments"] == "".join(fragments)
    assert len({item["id"] for item in added}) == 3
    assert len({item["call_id"] for item in added[1:]}) == 2


@pytest.mark.parametrize("toml", [TWO_CALLS, ONE_CALL, 'about = "x"\n[[steps]]\ntokens = ["a"]'])
@pytest.mark.parametrize("limit", [None, 16])
def test_the_whole_response_is_the_last_event_of_its_stream(toml: str, limit: int | None) -> None:
    last = streamed(named(toml), max_output_tokens=limit)[-1]["response"]
    assert without_ids(last) == without_ids(answered(named(toml), max_output_tokens=limit))


def test_the_finished_response() -> None:
    response = answered(instructions="Be brief.", temperature=0, metadata={"a": "b"})
    assert (response["status"], response["error"], response["incomplete_details"]) == ("completed", None, None)
    (item,) = response["output"]
    assert item["content"] == [{"type": "output_text", "annotations": [], "logprobs": [], "text": "Où là\u2028"}]
    assert (item["role"], item["status"]) == ("assistant", "completed")
    assert response["usage"]["output_tokens"] == 2
    assert response["usage"]["total_tokens"] == response["usage"]["input_tokens"] + 2
    assert (response["instructions"], response["temperature"], response["metadata"]) == ("Be brief.", 0, {"a": "b"})
    assert (response["tool_choice"], response["truncation"], response["text"]["format"]) == (
        "auto",
        "disabled",
        {"type": "text"},
    )
    assert response["id"].startswith("resp_")


def test_tools_are_echoed_with_their_defaults() -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    assert answered(tools=[tool])["tools"] == [{**tool, "description": None, "strict": True}]
    assert answered(tools=[{"type": "web_search"}])["tools"] == [{"type": "web_search"}]


def test_a_limit_of_tokens_makes_the_response_incomplete() -> None:
    long = script('[[steps]]\ntext = " word"\nrepeat = 30')
    response = answered(long, max_output_tokens=16)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["output"][0]["content"][0]["text"] == " word" * 16
    assert (response["output"][0]["status"], response["max_output_tokens"]) == ("incomplete", 16)
    assert response["completed_at"] is None
    assert streamed(long, max_output_tokens=16)[-1]["type"] == "response.incomplete"


def test_a_content_filter_makes_the_response_incomplete() -> None:
    filtered = script('[[steps]]\ntokens = ["a"]', 'finish_reason = "content_filter"')
    assert answered(filtered)["incomplete_details"] == {"reason": "content_filter"}


def test_an_error_in_the_stream_fails_the_response() -> None:
    broken = script('[[steps]]\ntokens = ["a"]\n[[steps]]\nfault = "error"\nmessage = "no"\ncode = "odd"')
    error, failed = streamed(broken)[-2:]
    assert (error["type"], error["code"], error["message"], error["param"]) == ("error", "odd", "no", None)
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": "no"}


@pytest.mark.parametrize("fault", ["close", "stall", "cut", "reset", "malformed"])
def test_other_faults_break_the_stream_where_it_is(fault: str) -> None:
    good = payload(replied(body(stream=True), script('[[steps]]\ntokens = ["a", "b"]'), RESPONSES))
    broken = replied(body(stream=True), script(f'[[steps]]\ntokens = ["a"]\n[[steps]]\nfault = "{fault}"'), RESPONSES)
    assert good.startswith(payload(broken)) is (fault != "malformed")
    assert broken.end == ("complete" if fault == "malformed" else fault)
    assert bool(broken.torn) is (fault == "cut")


def test_a_script_that_says_nothing_ends_with_an_empty_message() -> None:
    empty = script("[[steps]]\nwait_ms = 5")
    assert answered(empty)["output"][0]["content"][0]["text"] == ""
    assert without_ids(streamed(empty)[-1]["response"]) == without_ids(answered(empty))


def message(**values: Any) -> list[dict[str, Any]]:
    return [values]


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "21"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("plain", "plain"),
        (message(role="user", content="easy"), "easy"),
        (message(type="message", role="user", content=[{"type": "input_text", "text": "part"}]), "part"),
        ([{"role": "user", "content": "first"}, {"role": "assistant", "content": "x"}, CALL, OUTPUT], "first"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "b"),
        (message(role="user", content=[{"type": "input_image", "image_url": "data:,"}]), ""),
        ([{"type": "reasoning", "id": "rs_1", "summary": []}, {"id": "msg_1"}], ""),
    ],
)
def test_the_last_user_message_is_what_counts(given: Any, text: str) -> None:
    assert asked(body(given), path=RESPONSES).text == text


def test_a_conversation_may_go_on_from_an_earlier_response() -> None:
    assert asked(body([OUTPUT], previous_response_id="resp_1"), path=RESPONSES).text == ""
    assert asked({"model": "m", "previous_response_id": "resp_1"}, path=RESPONSES).text == ""


@pytest.mark.parametrize(
    ("sent", "param", "words"),
    [
        ({"input": "a"}, "model", "Missing required parameter: 'model'"),
        ({"model": 5, "input": "a"}, "model", "expected a string"),
        ({"model": "m"}, "input", "Missing required parameter: 'input'"),
        (body(5), "input", "one of a string or array of input items"),
        (body([5]), "input[0]", "expected an object"),
        (body([{}]), "input[0].type", "Missing"),
        (body([{"type": "odd"}]), "input[0].type", "Supported values are: 'message'"),
        (body(message(type="message", content="a")), "input[0].role", "Missing"),
        (body(message(role="tool", content="a")), "input[0].role", "'developer', and 'user'"),
        (body(message(role="user")), "input[0].content", "Missing"),
        (body(message(role="user", content=5)), "input[0].content", "string or array"),
        (body(message(role="user", content=[5])), "input[0].content[0]", "expected an object"),
        (body(message(role="user", content=[{}])), "input[0].content[0].type", "Missing"),
        (body(message(role="user", content=[{"type": "text"}])), "input[0].content[0].type", "'input_text'"),
        (body(message(role="user", content=[{"type": "input_text"}])), "input[0].content[0].text", "Missing"),
        (body([{**CALL, "name": None}, OUTPUT]), "input[0].name", "Missing"),
        (body([CALL, {**OUTPUT, "output": None}]), "input[1].output", "Missing"),
        (body([CALL, {**OUTPUT, "output": 5}]), "input[1].output", "string or array"),
        (body([CALL]), "input", "No tool output found for function call c."),
        (body([OUTPUT]), "input", "No tool call found for function call output with call_id c."),
        (body(messages=[]), "messages", "Unknown parameter: 'messages'"),
        (body(max_tokens=5), "max_tokens", "Unknown parameter"),
        (body(max_output_tokens=15), "max_output_tokens", "Expected a value >= 16, but got 15"),
        (body(temperature=2.5), "temperature", "Expected a value <= 2"),
        (body(top_p="x"), "top_p", "expected a decimal"),
        (body(stream=1), "stream", "expected a boolean"),
        (body(stream_options={"include_obfuscation": False}), "stream_options", "only allowed when 'stream'"),
        (body(stream=True, stream_options={"include_usage": True}), "stream_options.include_usage", "Unknown"),
        (body(instructions=["a"]), "instructions", "expected a string"),
        (body(metadata="a"), "metadata", "expected an object"),
        (body(store="yes"), "store", "expected a boolean"),
        (body(truncation="none"), "truncation", "'auto' and 'disabled'"),
        (body(previous_response_id=5), "previous_response_id", "expected a string"),
        (body(previous_response_id="x"), "previous_response_id", "begins with 'resp'"),
        (body(background=True, store=False), "background", "requires 'store'"),
        (body(tools=5), "tools", "expected an array"),
        (body(tools=[5]), "tools[0]", "expected an object"),
        (body(tools=[{}]), "tools[0].type", "Missing"),
        (body(tools=[{"type": 5}]), "tools[0].type", "Invalid value: '5'. Supported values are: 'code_interpreter'"),
        (body(tools=[{"type": "bogus"}]), "tools[0].type", "Invalid value: 'bogus'"),
        (body(tools=[{"type": "function"}]), "tools[0].name", "Missing"),
        (body(tools=[{"type": "function", "function": {"name": "f"}}]), "tools[0].name", "Missing"),
        (body(tool_choice="maybe"), "tool_choice", "'required'"),
        (body(tool_choice=5), "tool_choice", "string or object"),
        (body("scenario tini"), "input", "Did you mean 'tiny'?"),
    ],
)
def test_bad_requests_are_refused_in_the_apis_words(sent: Any, param: str, words: str) -> None:
    refusal = refused(sent, RESPONSES)
    assert (refusal["type"], refusal["param"]) == ("invalid_request_error", param)
    assert words in refusal["message"]
