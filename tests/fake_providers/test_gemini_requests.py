"""What Gemini's dialect takes, and what it refuses in the API's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.fake_providers.dialects.base import Ask, Reply
from chatproof.fake_providers.dialects.gemini import dialect as gemini
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.scripting.script import Script, parse_script

SCRIPTS: dict[str, Script] = {
    "tiny": parse_script("tiny", 'about = "x"\n[[steps]]\ntokens = ["a", "b"]'),
    "matched": parse_script(
        "matched", 'about = "x"\n[match]\nmodel = "gemini-match*"\nprovider = "gemini"\n[[steps]]\ntokens = ["m"]'
    ),
}
KEY = {"x-goog-api-key": "secret"}


def read(
    body: Any, target: str = "/v1beta/models/m:generateContent", headers: dict[str, str] = KEY, method: str = "POST"
) -> Ask | Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return gemini.read(as_request(method, target, headers, data), SCRIPTS)


def asked(body: Any, target: str = "/v1beta/models/m:generateContent", headers: dict[str, str] = KEY) -> Ask:
    ask = read(body, target, headers)
    assert isinstance(ask, Ask), b"".join(frame.payload for frame in ask.frames)
    return ask


def refused(
    body: Any,
    target: str = "/v1beta/models/m:generateContent",
    headers: dict[str, str] = KEY,
    method: str = "POST",
) -> tuple[dict[str, Any], Reply]:
    reply = read(body, target, headers, method)
    assert isinstance(reply, Reply)
    answer = json.loads(b"".join(frame.payload for frame in reply.frames))
    error = dict(answer["error"])
    assert error["code"] == reply.status
    return error, reply


def turn(text: Any = "scenario tiny", **more: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text}], **more}


def body(**more: Any) -> dict[str, Any]:
    return {"contents": [turn()], **more}


def configured(**config: Any) -> dict[str, Any]:
    return body(generationConfig=config)


def test_a_request_becomes_what_decides_its_answer() -> None:
    sent = {
        "systemInstruction": {"parts": [{"text": "scenario nope case nope"}]},
        "contents": [
            turn("scenario nope case old"),
            {"role": "model", "parts": [{"text": "scenario nope"}]},
            {"role": "user", "parts": [{"text": "scenario tiny"}, {"text": "case c-1"}]},
            {"role": "model", "parts": [{"text": "scenario nope"}]},
        ],
        "generationConfig": {"maxOutputTokens": 5, "candidateCount": 2, "temperature": 2, "stopSequences": ["x"]},
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}, {"googleSearch": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }
    ask = asked(sent, "/v1/models/gemini-2.5-pro:streamGenerateContent?alt=sse")
    assert (ask.scenario, ask.case, ask.text) == ("tiny", "c-1", "scenario tiny\ncase c-1")
    assert (ask.model, ask.stream, ask.flavour, ask.provider) == ("gemini-2.5-pro", True, "sse", "gemini")
    assert (ask.max_tokens, ask.choices, ask.prompt_tokens) == (5, 2, sum(n for _, n in ask.extra))  # type: ignore[attr-defined]
    hash(ask)


@pytest.mark.parametrize(
    "sent",
    [
        {"contents": {"parts": {"text": "scenario tiny"}}},
        {"contents": turn(), "system_instruction": {"parts": {"text": "short"}}},
        {"contents": [turn()], "generation_config": {"max_output_tokens": "5", "topK": 3.0}, "tools": None},
        {"contents": [turn(role=None)], "generationConfig": {"responseModalities": ["TEXT"], "thinkingConfig": {}}},
        {"contents": [turn()], "cachedContent": "cachedContents/1", "labels": {"a": "b"}},
    ],
)
def test_json_is_read_as_leniently_as_the_api_reads_it(sent: Any) -> None:
    assert asked(sent).scenario == "tiny"


def test_a_function_response_goes_after_its_call() -> None:
    call = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}
    response = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "ok"}}}]}
    ask = asked({"contents": [turn(), call, response]})
    assert ask.scenario == "tiny"  # the last content with text of the user's
    chunks = [turn("Let me", role="model"), call, turn("", role="model")]  # as google-genai collects them from a stream
    assert asked({"contents": [turn(), *chunks, response]}).scenario == "tiny"
    for wrong in ([turn(), response], [turn(), call, {**response, "parts": response["parts"] * 2}]):  # type: ignore[operator]
        assert "function response" in refused({"contents": wrong})[0]["message"]


@pytest.mark.parametrize("stream", ["?alt=sse", "", "?alt=json"])
def test_the_query_chooses_the_framing(stream: str) -> None:
    ask = asked(body(), f"/v1beta/models/m:streamGenerateContent{stream}")
    assert ask.flavour == ("sse" if "sse" in stream else "array")
    assert asked(body()).flavour == "whole"


def test_a_script_may_match_the_model() -> None:
    sent = {"contents": [turn("hello")]}
    assert asked(sent, "/v1beta/models/gemini-match-1:generateContent").script.name == "matched"
    assert asked(sent).script.name == ""


# keys


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/v1beta/models/m:generateContent?key=k", {}),
        ("/v1beta/models/m:generateContent", {"x-goog-api-key": "k"}),
        ("/v1beta/models/m:generateContent", {"authorization": "Bearer ya29"}),
    ],
)
def test_a_key_stands_in_the_header_or_the_query(target: str, headers: dict[str, str]) -> None:
    assert asked(body(), target, headers).scenario == "tiny"


@pytest.mark.parametrize("target", ["/v1beta/models/m:generateContent", "/v1beta/models/m:countTokens?key="])
@pytest.mark.parametrize("headers", [{}, {"x-goog-api-key": " "}, {"authorization": "Basic abc"}])
def test_without_a_key_the_caller_is_unregistered(target: str, headers: dict[str, str]) -> None:
    error, _ = refused(body(), target, headers)
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
    assert error["message"].startswith("Method doesn't allow unregistered callers")
    assert "details" not in error


def test_models_need_a_key_as_well() -> None:
    assert refused(b"", "/v1beta/models", {}, "GET")[0]["code"] == 403


# refusals


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        (b"[]", None, "root must be an object"),
        (b"{", None, "Expecting property name"),
        (b"\xff", None, "not UTF-8"),
        (b'{"contents": NaN}', None, "NaN is not JSON"),
        ({"foo": 1}, None, 'Unknown name "foo": Cannot find field.'),
        ({"messages": [], "contents": [turn()]}, None, 'Unknown name "messages": Cannot find field.'),
        (body(temperature=1), None, 'Unknown name "temperature": Cannot find field.'),
        (configured(maxTokens=1), "generation_config", "Unknown name \"maxTokens\" at 'generation_config'"),
        (
            {"contents": ["hi"]},
            "contents[0]",
            '(type.googleapis.com/google.ai.generativelanguage.v1beta.Content), "hi"',
        ),
        ({"contents": "hi"}, "contents[0]", "Invalid value at 'contents[0]'"),
        ({"contents": [{"parts": ["hi"]}]}, "contents[0].parts[0]", 'v1beta.Part), "hi"'),
        ({"contents": [turn(5)]}, "contents[0].parts[0].text", "(TYPE_STRING), 5"),
        ({"contents": [turn(["a"])]}, "contents[0].parts[0]", "Proto field is not repeating, cannot start list."),
        ({"contents": [turn({})]}, "contents[0].parts[0]", "Starting an object on a scalar field"),
        (
            {"contents": [{"parts": [{"text": "a", "inlineData": {}}]}]},
            "contents[0].parts[0]",
            "Cannot set 'inlineData'",
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"data": "?"}}]}]},
            "contents[0].parts[0].inline_data.data",
            "(TYPE_BYTES), Base64 decoding failed",
        ),
        (configured(temperature="hot"), "generation_config.temperature", '(TYPE_FLOAT), "hot"'),
        (configured(maxOutputTokens=1.5), "generation_config.max_output_tokens", "(TYPE_INT32), 1.5"),
        (configured(maxOutputTokens=2**31), "generation_config.max_output_tokens", "(TYPE_INT32)"),
        (configured(responseLogprobs="yes"), "generation_config.response_logprobs", '(TYPE_BOOL), "yes"'),
        (body(safetySettings=[{"category": "RUDE"}]), "safety_settings[0].category", 'v1beta.HarmCategory), "RUDE"'),
        (
            body(tools=[{"functionDeclarations": [{"name": "f", "parameters": {"properties": {"a": {"const": 1}}}}]}]),
            "tools[0].function_declarations[0].parameters.properties[0].value",
            'Unknown name "const"',
        ),
        (
            body(tools=[{"functionDeclarations": [{"name": "f", "parameters": {"properties": []}}]}]),
            "tools[0].function_declarations[0].parameters.properties",
            "Invalid value at",
        ),
    ],
)
def test_what_does_not_fit_the_schema_is_a_field_violation(sent: Any, field: str | None, words: str) -> None:
    error, _ = refused(sent)
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    (detail,) = error["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    (violation,) = detail["fieldViolations"]
    assert violation.get("field") == field
    assert words in violation["description"]
    assert error["message"] == violation["description"]


def test_all_violations_are_told_at_once() -> None:
    error, _ = refused({"contents": [turn(5)], "generationConfig": {"topP": "x"}, "extra": 1})
    assert len(error["details"][0]["fieldViolations"]) == len(error["message"].splitlines()) == 3


def test_a_schema_may_be_deep_but_not_too_deep() -> None:
    schema: dict[str, Any] = {"type": "STRING"}
    for _ in range(300):
        schema = {"type": "ARRAY", "items": schema}
    error, _ = refused(body(tools=[{"functionDeclarations": [{"name": "f", "parameters": schema}]}]))
    assert "Max recursion depth reached for key 'type'" in error["message"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "* GenerateContentRequest.contents: contents is not specified\n"),
        ({"contents": []}, "contents is not specified"),
        (
            {"contents": [turn(), {"role": "model", "parts": []}]},
            "* GenerateContentRequest.contents[1].parts: contents.parts must not be empty.\n",
        ),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0].data: required oneof field 'data' must have one"),
        ({"contents": [turn(role="assistant")]}, "Please use a valid role: user, model."),
        ({"contents": [turn(role="model")]}, "single turn requests end with a user role"),
        (configured(temperature=2.1), "temperature must be in the range [0.0, 2.0]."),
        (configured(topP=-1), "top_p must be in the range [0.0, 1.0]."),
        (configured(maxOutputTokens=0), "max_output_tokens must be positive."),
        (configured(candidateCount=9), "candidate_count must be in the range"),
        (body(tools=[{"functionDeclarations": [{"name": "1st"}]}]), "declarations[0].name: Invalid function name"),
        (
            body(toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}}),
            "allowed_function_names",
        ),
    ],
)  # fmt: skip
def test_what_fits_the_schema_may_still_be_wrong(sent: Any, words: str) -> None:
    error, _ = refused(sent)
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert words in error["message"]
    assert "details" not in error


def test_an_unknown_scenario_is_named_in_a_header_too() -> None:
    error, reply = refused({"contents": [turn("scenario tini case c-1")]})
    assert error["code"] == 400
    assert error["message"] == "Unknown scenario 'tini'. Did you mean 'tiny'? Known: matched, tiny."
    assert ("x-fake-unknown-scenario", "tini") in reply.headers


@pytest.mark.parametrize(
    ("target", "method"),
    [("/v1beta/models/m:generateContent", "GET"), ("/v1beta/models", "POST"), ("/v1beta/models/m:fly", "POST")],
)
def test_other_methods_are_not_found(target: str, method: str) -> None:
    error, _ = refused(body(), target, KEY, method)
    assert (error["code"], error["status"], error["message"]) == (404, "NOT_FOUND", "Method not found.")


def test_a_models_name_has_no_odd_characters() -> None:
    error, _ = refused(body(), "/v1beta/models/%F0%9F%8E%88:generateContent")
    assert "unexpected model name format" in error["message"]


def test_a_stream_as_an_array_refuses_in_an_array() -> None:
    reply = read({}, "/v1beta/models/m:streamGenerateContent")
    assert isinstance(reply, Reply)
    (answer,) = json.loads(reply.frames[0].payload)
    assert answer["error"]["code"] == reply.status == 400
