"""Structured output and required tools: every dialect, streamed and not, without a script."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from chatproof.fake_providers.dialects.base import Reply
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.planner import Planner
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from tests.fake_providers import gemini_kit, local_kit, openai_kit
from tests.fake_providers.openai_kit import CHAT, RESPONSES, chat

CITY: Final = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
ANSWER: Final = {"city": "a", "days": 2}
BROKEN: Final = {"type": "object", "properties": {"n": {"minimum": 5, "maximum": 3}}, "required": ["n"]}
SCRIPTS: Final = openai_kit.script()


def json_schema(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "trip", "schema": schema, **more}}


def function(name: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters or CITY, **more}}


def flat(name: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": parameters or CITY, **more}


def chat_answer(**body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(openai_kit.payload(openai_kit.replied(chat("Hi", **body))))
    choice: dict[str, Any] = answer["choices"][0]
    return choice


def responded(**body: Any) -> list[dict[str, Any]]:
    sent = {"model": "gpt-4o", "input": "Hi", **body}
    answer: dict[str, Any] = json.loads(openai_kit.payload(openai_kit.replied(sent, path=RESPONSES)))
    return list(answer["output"])


def error_of(body: Any, path: str = CHAT) -> dict[str, Any]:
    reply = openai.read(openai_kit.request(body, path), SCRIPTS)
    assert isinstance(reply, Reply), reply
    assert reply.status == 400
    error: dict[str, Any] = json.loads(openai_kit.payload(reply))["error"]
    return error


@pytest.mark.parametrize("strict", [True, False])
def test_a_chat_answers_with_the_schema(strict: bool) -> None:
    choice = chat_answer(response_format=json_schema(CITY, strict=strict))
    assert json.loads(choice["message"]["content"]) == ANSWER
    assert choice["finish_reason"] == "stop"


def test_a_chat_streams_the_schema_in_tokens() -> None:
    reply = openai_kit.replied(chat("Hi", response_format=json_schema(CITY), stream=True))
    texts = [frame.text for frame in reply.frames if frame.tokens]
    assert len(texts) > 3
    assert json.loads("".join(texts)) == ANSWER


def test_json_objects_without_a_schema() -> None:
    body = chat("Give me JSON.", response_format={"type": "json_object"})
    assert json.loads(openai_kit.payload(openai_kit.replied(body)))["choices"][0]["message"]["content"] == "{}"
    [item] = responded(input="JSON, please.", text={"format": {"type": "json_object"}})
    assert item["content"][0]["text"] == "{}"


def test_a_response_answers_with_the_schema() -> None:
    [item] = responded(text={"format": {"type": "json_schema", "name": "trip", "schema": CITY, "strict": True}})
    assert json.loads(item["content"][0]["text"]) == ANSWER


def test_a_named_script_plays_as_written() -> None:
    tools = [function("trip")]
    body = chat(response_format=json_schema(CITY), tools=tools, tool_choice="required")
    message = json.loads(openai_kit.payload(openai_kit.replied(body)))["choices"][0]["message"]
    assert (message["content"], "tool_calls" in message) == ("Où là\u2028", False)


def test_a_planned_script_plays_as_written() -> None:
    planner = Planner(ScriptLibrary())
    planner.play(["hello"])
    request = openai_kit.request(chat("Hi", response_format=json_schema(CITY)))
    assert planner.answer(request, chunks_allowed=True, keep_alive=True).script == "hello"


@pytest.mark.parametrize(
    ("choice", "name", "finish_reason"),
    [
        ("required", "first", "tool_calls"),
        ({"type": "function", "function": {"name": "second"}}, "second", "stop"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function("second")]}},
            "second",
            "tool_calls",
        ),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_chat_calls_the_required_tool(choice: Any, name: str, finish_reason: str, stream: bool) -> None:
    body = chat("Hi", tools=[function("first"), function("second")], tool_choice=choice, stream=stream)
    reply = openai_kit.replied(body)
    if stream:
        events = openai_kit.payload(reply).decode().split("\n\n")[:-2]
        choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
        calls = [call["function"] for one in choices for call in one["delta"].get("tool_calls", ())]
        found = (calls[0]["name"], json.loads("".join(call.get("arguments", "") for call in calls)))
        ended = choices[-1]["finish_reason"]
    else:
        [one] = json.loads(openai_kit.payload(reply))["choices"]
        [call] = one["message"]["tool_calls"]
        found = (call["function"]["name"], json.loads(call["function"]["arguments"]))
        ended = one["finish_reason"]
    assert (found, ended) == ((name, ANSWER), finish_reason)


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("required", "first"),
        ({"type": "function", "name": "second"}, "second"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "second"}]}, "second"),
    ],
)
def test_a_response_calls_the_required_tool(choice: Any, name: str) -> None:
    [item] = responded(tools=[flat("first"), flat("second")], tool_choice=choice)
    assert (item["type"], item["name"], json.loads(item["arguments"])) == ("function_call", name, ANSWER)


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_other_choices_are_answered_in_words(choice: Any) -> None:
    more = {} if choice is None else {"tool_choice": choice}
    assert chat_answer(tools=[function("first")], **more)["message"]["content"].startswith("The fake provider read")
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "first"}]}
    [item] = responded(tools=[flat("first")], tool_choice=allowed)
    assert item["type"] == "message"


def test_a_required_tool_is_one_that_was_not_called_since_the_user_spoke() -> None:
    """So agents that require a call in each turn reach the tool that ends their run."""
    call = {"id": "call_1", "type": "function", "function": {"name": "first", "arguments": "{}"}}
    said = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    tools = [function("first"), function("last")]
    choice = chat_answer(messages=said, tools=tools, tool_choice="required")
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "last"
    again = chat_answer(messages=[*said, {"role": "user", "content": "And now?"}], tools=tools, tool_choice="required")
    assert again["message"]["tool_calls"][0]["function"]["name"] == "first"
    items = [
        {"role": "user", "content": "Hi"},
        {"type": "function_call", "call_id": "call_1", "name": "first", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    ]
    for sent in ({"input": items}, {"input": items[2:], "previous_response_id": "resp_1"}):
        [item] = responded(**sent, tools=[flat("first"), flat("last")], tool_choice="required")
        assert item["name"] == "last"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object", "properties": {}}, "In context=(), 'additionalProperties' is required to be supplied and"),
        ({**CITY, "required": ["city"]}, "In context=(), 'required' is required to be supplied and to be an array"),
        ({**CITY, "required": ["city", "days", "more"]}, "Extra required key 'more' supplied."),
        (
            {**CITY, "properties": {"city": {"oneOf": []}, "days": {}}},
            "('properties', 'city'), 'oneOf' is not permitted",
        ),
        ({**CITY, "properties": {"city": {}, "days": {"type": "null"}}}, "schema must have a 'type' key."),
        ({**CITY, "properties": {"city": {"$ref": "#/no"}, "days": {"type": "null"}}}, "reference to component '#/no'"),
        (
            {**CITY, "properties": {"city": {"$ref": "#", "description": "x"}, "days": {"type": "null"}}},
            "context=('properties', 'city'), $ref cannot have keywords {'description'}.",
        ),
        ({**CITY, "properties": {"city": {"type": "array"}, "days": {"type": "null"}}}, "array schema missing items."),
        (
            {"type": "array", "items": CITY},
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'.",
        ),
        ({"anyOf": [CITY]}, "got 'type: \"None\"'."),
    ],
)
def test_strict_mode_refuses_what_the_api_refuses(schema: Any, message: str) -> None:
    error = error_of(chat("scenario tiny", response_format=json_schema(schema, strict=True)))
    assert error["message"].startswith("Invalid schema for response_format 'trip': ")
    assert message in error["message"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "response_format", None)
    error = error_of(chat("scenario tiny", tools=[function("ok"), function("trip", schema, strict=True)]))
    assert message in error["message"]
    assert (error["param"], error["code"]) == ("tools[1].function.parameters", "invalid_function_parameters")
    text = {"format": {"type": "json_schema", "name": "trip", "schema": schema, "strict": True}}
    error = error_of({"model": "gpt-4o", "input": "scenario tiny", "text": text}, RESPONSES)
    assert message in error["message"]
    assert (error["param"], error["code"]) == ("text.format.schema", "invalid_json_schema")
    error = error_of(
        {"model": "gpt-4o", "input": "scenario tiny", "tools": [flat("f", schema, strict=True)]}, RESPONSES
    )
    assert (error["param"], error["code"]) == ("tools[0].parameters", "invalid_function_parameters")


def strict(properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def test_strict_mode_has_limits() -> None:
    deep: Any = {"type": "string"}
    for _ in range(12):
        deep = strict({"x": deep})
    wide = strict({f"p{at}": {"type": "string"} for at in range(5_001)})
    words = strict({"w": {"type": "string", "enum": [str(at) for at in range(1_001)]}})
    for schema, message in (
        (deep, "11 levels of nesting exceeds limit of 10."),
        (wide, "5001 parameters exceeds limit of 5000."),
        (words, "Expected at most 1000 enum values"),
    ):
        assert message in error_of(chat("Hi", response_format=json_schema(schema, strict=True)))["message"]


def test_a_schema_without_instance_is_refused_and_named() -> None:
    error = error_of(chat("Hi", response_format=json_schema(BROKEN)))
    assert error["message"].startswith("Invalid schema for response_format 'trip': In context=('properties', 'n'), no")
    assert error["param"] == "response_format"
    error = error_of(chat("Hi", tools=[function("trip", BROKEN)], tool_choice="required"))
    assert error["message"].startswith("Invalid schema for function 'trip': In context=('properties', 'n'), no")
    text = {"format": {"type": "json_schema", "name": "trip", "schema": BROKEN}}
    assert error_of({"model": "gpt-4o", "input": "Hi", "text": text}, RESPONSES)["param"] == "text.format.schema"


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (
            chat(tools=[function("a")], tool_choice={"type": "function", "function": {"name": "b"}}),
            CHAT,
            "'b' not found",
        ),
        (
            {"model": "m", "input": "Hi", "tools": [flat("a")], "tool_choice": {"type": "function", "name": "b"}},
            RESPONSES,
            "Tool choice 'b' not found in 'tools' parameter.",
        ),
        ({"model": "m", "input": "Hi", "tool_choice": "required"}, RESPONSES, "must be specified with 'tools'"),
    ],
)
def test_a_required_tool_must_be_offered(body: Any, param: str, message: str) -> None:
    error = error_of(body, param)
    assert (error["param"], message in error["message"]) == ("tool_choice", True)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ("json", "text.format"),
        ({}, "text.format.type"),
        ({"type": "xml"}, "text.format.type"),
        ({"type": "json_schema", "schema": {}}, "text.format.name"),
        ({"type": "json_schema", "name": "x"}, "text.format.schema"),
        ({"type": "json_object"}, "input"),
    ],
)
def test_a_wrong_text_format_is_refused(wanted: Any, param: str) -> None:
    assert error_of({"model": "gpt-4o", "input": "Hi", "text": {"format": wanted}}, RESPONSES)["param"] == param


# Gemini

SCHEMA: Final = {
    "type": "OBJECT",
    "properties": {
        "city": {"type": "STRING", "minLength": "1"},
        "days": {"type": "INTEGER", "minimum": 2},
        "note": {"type": "STRING", "nullable": True},
        "tags": {"type": "ARRAY", "items": {"type": "STRING", "enum": ["red", "blue"]}, "min_items": 1},
    },
    "required": ["city", "days", "tags"],
    "propertyOrdering": ["tags", "days", "city"],
}


def gemini_reply(action: str = "generateContent", **body: Any) -> Any:
    sent = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **body}
    path = f"/v1beta/models/gemini-2.5-flash:{action}"
    reply = gemini_kit.replied(as_request("POST", path, gemini_kit.KEY, json.dumps(sent).encode()))
    return json.loads(gemini_kit.payload(reply))


def gemini_text(**config: Any) -> str:
    return str(gemini_reply(generationConfig=config)["candidates"][0]["content"]["parts"][0]["text"])


def test_gemini_answers_with_the_schema() -> None:
    text = gemini_text(responseMimeType="application/json", responseSchema=SCHEMA)
    assert text == '{"tags":["red"],"days":2,"city":"a"}'
    text = gemini_text(response_mime_type="application/json", responseJsonSchema=CITY)
    assert json.loads(text) == ANSWER
    assert gemini_text(responseMimeType="application/json") == "{}"
    assert gemini_text(responseMimeType="text/plain").startswith("The fake provider read")


def test_gemini_answers_with_a_word_of_an_enum() -> None:
    schema = {"type": "STRING", "enum": ["green", "red"]}
    assert gemini_text(responseMimeType="text/x.enum", responseSchema=schema) == "red"


def test_gemini_calls_a_function() -> None:
    tools = [
        {
            "functionDeclarations": [
                {"name": "first", "parameters": SCHEMA},
                {"name": "second", "parametersJsonSchema": CITY},
                {"name": "third"},
            ]
        }
    ]
    for allowed, name, args in (
        ([], "first", {"tags": ["red"], "days": 2, "city": "a"}),
        (["second"], "second", ANSWER),
        (["third"], "third", {}),
    ):
        config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": allowed}}
        [candidate] = gemini_reply(tools=tools, toolConfig=config)["candidates"]
        assert candidate["content"]["parts"] == [{"functionCall": {"name": name, "args": args}}]
    streamed = gemini_reply("streamGenerateContent", tools=tools, toolConfig={"functionCallingConfig": {"mode": "ANY"}})
    assert "functionCall" in json.dumps(streamed)
    contents = [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "first", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "first", "response": {}}}]},
    ]
    again = gemini_reply(contents=contents, tools=tools, toolConfig={"functionCallingConfig": {"mode": "ANY"}})
    assert again["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] == "second"


def test_gemini_names_the_place_of_a_schema_without_instance() -> None:
    schema = {"type": "OBJECT", "properties": {"n": {"anyOf": [{"type": "INTEGER", "minimum": 5, "maximum": 3}]}}}
    config = {"responseMimeType": "application/json", "responseSchema": {**schema, "required": ["n"]}}
    error = gemini_reply(generationConfig=config)["error"]
    place = "* GenerateContentRequest.generation_config.response_schema.properties[n].any_of[0]: no integer"
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"].startswith(place)


# Ollama and OpenAI-compatible servers


@pytest.mark.parametrize("stream", [True, False])
def test_ollama_answers_with_the_schema(stream: bool) -> None:
    for wanted, answer in ((CITY, ANSWER), ("json", {})):
        lines = local_kit.lines if stream else lambda reply: [json.loads(local_kit.payload(reply))]
        body = local_kit.said("Hi", format=wanted, stream=stream)
        said = lines(local_kit.replied(local_kit.CHAT, body))
        assert json.loads("".join(line["message"]["content"] for line in said)) == answer
        body = local_kit.prompted("Hi", format=wanted, stream=stream)
        said = lines(local_kit.replied(local_kit.GENERATE, body))
        assert json.loads("".join(line["response"] for line in said)) == answer


def test_ollama_names_the_place_of_a_schema_without_instance() -> None:
    error = local_kit.refused(local_kit.CHAT, local_kit.said("Hi", format=BROKEN), 400)["error"]
    assert error.startswith("invalid JSON schema in format: at ['properties', 'n']: no")


@pytest.mark.parametrize("product", local_kit.PRODUCTS)
@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"response_format": json_schema(CITY, strict=True)}, '{"city":"a","days":2}'),
        ({"response_format": json_schema({"type": "object"}, strict=True)}, "{}"),
        ({"response_format": {"type": "json_object", "schema": CITY}}, '{"city":"a","days":2}'),
        ({"json_schema": CITY}, '{"city":"a","days":2}'),
        ({"guided_json": CITY}, '{"city":"a","days":2}'),
        ({"guided_json": json.dumps(CITY)}, '{"city":"a","days":2}'),
        ({"guided_choice": ["positive", "negative", "bad"]}, "bad"),
        ({"guided_regex": r"\w+@\w+\.com"}, "a@a.com"),
        ({"structured_outputs": {"json": CITY}}, '{"city":"a","days":2}'),
        ({"structured_outputs": {"choice": ["yes", "no"]}}, "no"),
        ({"structured_outputs": {"regex": "[A-Z]{3}"}}, "AAA"),
    ],
)
def test_local_servers_answer_as_guided(product: str, more: dict[str, Any], text: str) -> None:
    reply = local_kit.replied(f"/{product}/v1/chat/completions", local_kit.said("Hi", **more))
    assert json.loads(local_kit.payload(reply))["choices"][0]["message"]["content"] == text


@pytest.mark.parametrize("product", local_kit.PRODUCTS)
def test_local_servers_call_the_required_tool(product: str) -> None:
    body = local_kit.said("Hi", tools=[function("trip")], tool_choice="required")
    reply = local_kit.replied(f"/{product}/v1/chat/completions", body)
    [call] = json.loads(local_kit.payload(reply))["choices"][0]["message"]["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("trip", ANSWER)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"guided_json": BROKEN}, "['properties', 'n']"),
        ({"guided_json": "{"}, "not JSON"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": "yes"}, "guided_choice"),
        ({"guided_regex": "("}, "regex"),
        ({"response_format": json_schema(BROKEN)}, "('properties', 'n')"),
    ],
)
def test_local_servers_refuse_what_cannot_be(more: dict[str, Any], named: str) -> None:
    for product in local_kit.PRODUCTS:
        assert named in str(local_kit.refused(f"/{product}/v1/chat/completions", local_kit.said("Hi", **more), 400))
