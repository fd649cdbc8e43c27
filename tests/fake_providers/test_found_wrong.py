"""What was once found wrong in the fakes, a test for each finding: they speak HTTP to a served fake, and no more."""

from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

if TYPE_CHECKING:
    from chatproof.fake_providers.testing.threaded import ThreadedServer

ASKED = "scenario tool-call: how is the weather in Zürich?"
CALLED = {"name": "get_weather", "arguments": '{"city":"Zürich"}'}
DECLARED = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
GEMINI = "/v1beta/models/gemini-2.5-flash:generateContent"
KEYS = {"authorization": "Bearer k", "x-goog-api-key": "k"}
CONTENTS: list[Any] = [{"role": "user", "parts": [{"text": "Hi"}]}]
_CHAT, _RESPONSES, _EMBEDDINGS = "/v1/chat/completions", "/v1/responses", "/v1/embeddings"
_IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
_PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 1_024, 1_024)
_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
_UNSIGNED = [
    *CONTENTS,
    {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
    {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
]


async def posted(http: httpx.AsyncClient, path: str, body: Any, **headers: str) -> Any:
    response = await http.post(path, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


async def test_w1_ids_depend_on_the_whole_request(http: httpx.AsyncClient) -> None:
    """Two turns with the same last message are two requests; the same request twice is one, whoever sends it."""
    turns = [user("Hello"), {"role": "assistant", "content": "Hi"}, user("continue")]
    bodies = [{"model": "gpt-4o", "messages": turns[2:]}, {"model": "gpt-4o", "messages": turns}]
    replies = [await http.post("/v1/chat/completions", json=body) for body in bodies]
    assert replies[0].json()["id"] != replies[1].json()["id"]
    assert replies[0].headers["x-request-id"] != replies[1].headers["x-request-id"]
    again = await http.post("/v1/chat/completions", json=bodies[1], headers={"authorization": "Bearer another"})
    assert (again.content, again.headers["x-request-id"]) == (replies[1].content, replies[1].headers["x-request-id"])

    ids = ["resp_1"]
    for _ in range(3):
        body = {"model": "gpt-4o", "input": "continue", "previous_response_id": ids[-1]}
        response = await posted(http, "/v1/responses", body)
        ids += [response["id"]]
        assert response["output"][0]["id"] not in ids
    assert len(set(ids)) == 4

    contents = [{"role": "user", "parts": [{"text": "continue"}]}, {"role": "model", "parts": [{"text": "Yes."}]}]
    said = [contents[:1], [*contents, contents[0]]]
    gemini = [await posted(http, GEMINI, {"contents": one}, **{"x-goog-api-key": "k"}) for one in said]
    assert gemini[0]["responseId"] != gemini[1]["responseId"]

    for path, model in (
        ("/v1/chat/completions", "gpt-4o"), ("/vllm/v1/chat/completions", "llama3.2"),
        ("/lmstudio/v1/chat/completions", "llama3.2"), ("/llamacpp/v1/chat/completions", "llama3.2"),
        ("/ollama/v1/chat/completions", "llama3.2"),
    ):  # fmt: skip
        asked = [[user(ASKED)], [user("Hello"), {"role": "assistant", "content": "Hi"}, user(ASKED)]]
        choices = [(await posted(http, path, {"model": model, "messages": one}))["choices"][0] for one in asked]
        calls = [choice["message"]["tool_calls"][0]["id"] for choice in choices]
        assert calls[0] != calls[1], path


async def test_w2_the_tool_is_called_once(http: httpx.AsyncClient) -> None:
    """A loop of an agent on `tool-call` ends: when the request ends with the tool's result, the answer is in words."""
    asked = user(ASKED)
    call = {"id": "call_1", "type": "function", "function": CALLED}
    history = [asked, {"role": "assistant", "content": None, "tool_calls": [call]}]
    history += [{"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]
    for path, model in (
        ("/v1/chat/completions", "gpt-4o"), ("/vllm/v1/chat/completions", "llama3.2"),
        ("/lmstudio/v1/chat/completions", "llama3.2"), ("/llamacpp/v1/chat/completions", "llama3.2"),
        ("/ollama/v1/chat/completions", "llama3.2"),
    ):  # fmt: skip
        body = {"model": model, "tools": [{"type": "function", "function": DECLARED}]}
        first, last, next_ = [
            (await posted(http, path, {**body, "messages": said}))["choices"][0]
            for said in ([asked], history, [*history, {"role": "assistant", "content": "Sunny."}, asked])
        ]
        reasons = [first["finish_reason"], last["finish_reason"], next_["finish_reason"]]
        assert reasons == ["tool_calls", "stop", "tool_calls"], path
        assert last["message"]["content"], path
        assert not last["message"].get("tool_calls"), path

    items: list[Any] = [asked, {"type": "function_call", "call_id": "call_1", **CALLED}]
    items += [{"type": "function_call_output", "call_id": "call_1", "output": "sunny"}]
    output = (await posted(http, "/v1/responses", {"model": "gpt-4o", "input": items}))["output"]
    assert [item["type"] for item in output] == ["message"]

    contents: list[Any] = [{"role": "user", "parts": [{"text": ASKED}]}]
    contents += [{"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": {}}}]}]
    result = {"functionResponse": {"name": "get_weather", "response": {"result": "sunny"}}}
    contents += [{"role": "user", "parts": [result]}]
    reply = await posted(http, GEMINI, {"contents": contents}, **{"x-goog-api-key": "k"})
    assert all("text" in part for part in reply["candidates"][0]["content"]["parts"])

    said = [asked, {"role": "assistant", "content": "", "tool_calls": [{"function": {**CALLED, "arguments": {}}}]}]
    said += [{"role": "tool", "tool_name": "get_weather", "content": "sunny"}]
    reply = await posted(http, "/api/chat", {"model": "llama3.2", "messages": said, "stream": False})
    assert reply["message"]["content"]
    assert "tool_calls" not in reply["message"]


def _chat(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [user("Hi")], **more}


def _google(model: str, action: str = "generateContent") -> str:
    return f"/v1beta/models/{model}:{action}"


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


async def test_w3_structured_output_and_required_tools(http: httpx.AsyncClient) -> None:
    """Without a script the reply conforms to the schema that the request gives, and a required tool is called."""
    answer, asked = {"city": "a", "days": 2}, {"model": "gpt-4o", "messages": [user("Where to?")]}
    named = {"name": "trip", "schema": SCHEMA, "strict": True}
    function = {"type": "function", "function": {"name": "trip", "parameters": SCHEMA}}
    flat = {"type": "function", "name": "trip", "parameters": SCHEMA}
    key = {"x-goog-api-key": "k"}

    chat = {**asked, "response_format": {"type": "json_schema", "json_schema": named}}
    message = (await posted(http, "/v1/chat/completions", chat))["choices"][0]["message"]
    assert json.loads(message["content"]) == answer
    called = {**asked, "tools": [function], "tool_choice": "required"}
    message = (await posted(http, "/v1/chat/completions", called))["choices"][0]["message"]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == answer

    text = {"format": {"type": "json_schema", **named}}
    response = await posted(http, "/v1/responses", {"model": "gpt-4o", "input": "Where to?", "text": text})
    assert json.loads(response["output"][0]["content"][0]["text"]) == answer
    forced = {"tools": [flat], "tool_choice": {"type": "function", "name": "trip"}}
    response = await posted(http, "/v1/responses", {"model": "gpt-4o", "input": "Where to?", **forced})
    assert json.loads(response["output"][0]["arguments"]) == answer

    contents = [{"role": "user", "parts": [{"text": "Where to?"}]}]
    schema: dict[str, Any]
    for schema in ({"responseSchema": {**SCHEMA, "additionalProperties": None}}, {"responseJsonSchema": SCHEMA}):
        config = {"responseMimeType": "application/json", **schema}
        reply = await posted(http, GEMINI, {"contents": contents, "generationConfig": config}, **key)
        assert json.loads(reply["candidates"][0]["content"]["parts"][0]["text"]) == answer
    calling: dict[str, Any] = {
        "tools": [{"functionDeclarations": [{"name": "trip", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["trip"]}},
    }
    reply = await posted(http, GEMINI, {"contents": contents, **calling}, **key)
    assert reply["candidates"][0]["content"]["parts"] == [{"functionCall": {"name": "trip", "args": answer}}]

    local = {"model": "llama3.2", "messages": [user("Where to?")], "stream": False}
    assert json.loads((await posted(http, "/api/chat", {**local, "format": SCHEMA}))["message"]["content"]) == answer
    guided = await posted(http, "/vllm/v1/chat/completions", {**local, "guided_json": SCHEMA})
    assert json.loads(guided["choices"][0]["message"]["content"]) == answer


async def test_w4_strict_schemas_are_as_strict_as_the_api(http: httpx.AsyncClient) -> None:
    """`strict` without `additionalProperties: false` is an error 400, whatever the script says."""
    loose = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "trip", "schema": loose, "strict": True}}
    body = {"model": "gpt-4o", "messages": [user("scenario hello")], "response_format": wanted}
    refused = await http.post("/v1/chat/completions", json=body)
    assert refused.status_code == 400
    assert "In context=(), 'additionalProperties' is required to be supplied and to be false." in refused.text


REFUSALS = [
    (_CHAT, _chat("gpt-nine"), (404, "model_not_found")),
    (_CHAT, _chat("gpt-4-32k"), (404, "model_not_found")),
    (_CHAT, _chat("text-embedding-3-small"), (404, None)),
    (_CHAT, _chat("gpt-5-pro"), (404, None)),
    (_CHAT, _chat("gpt-5", max_tokens=5), (400, "unsupported_parameter")),
    (_CHAT, _chat("o3", max_tokens=5), (400, "unsupported_parameter")),
    (_CHAT, _chat("gpt-6.2-sol", max_tokens=5), (400, "unsupported_parameter")),
    (_CHAT, _chat("gpt-5-mini", temperature=0), (400, "unsupported_value")),
    (_CHAT, _chat("gpt-5-mini", stop=["x"]), (400, "unsupported_parameter")),
    (_CHAT, _chat("o4-mini", parallel_tool_calls=False, tools=[_TOOL]), (400, "unsupported_parameter")),
    (_CHAT, _chat("gpt-5.1", reasoning_effort="minimal"), (400, "unsupported_value")),
    (_CHAT, _chat("gpt-4o", reasoning_effort="low"), (400, None)),
    (_CHAT, _chat("gpt-4o", max_tokens=20_000), (400, None)),
    (_CHAT, _chat("gpt-4o", service_tier="flex"), (400, None)),
    (_CHAT, _chat("gpt-4o", metadata={"a": "b"}), (400, None)),
    (_CHAT, {"model": "gpt-4", "messages": [user("word " * 9_000)]}, (400, "context_length_exceeded")),
    (_CHAT, {"model": "gpt-4o", "messages": [user("word " * 130_000)]}, (400, "context_length_exceeded")),
    (_CHAT, _chat("gpt-4", max_tokens=8_192), (400, "context_length_exceeded")),
    (_CHAT, {"model": "gpt-4", "messages": [{"role": "user", "content": [_IMAGE]}]}, (400, None)),
    (_RESPONSES, {"model": "gpt-nine", "input": "Hi"}, (400, "model_not_found")),
    (_RESPONSES, {"model": "text-embedding-3-small", "input": "Hi"}, (400, "unsupported_model")),
    (_RESPONSES, {"model": "o3", "input": "Hi", "temperature": 0.5}, (400, "unsupported_parameter")),
    (
        _RESPONSES,
        {"model": "gpt-4o", "input": "Hi", "previous_response_id": "resp_12"},
        (400, "previous_response_not_found"),
    ),
    (_RESPONSES, {"model": "gpt-4o", "input": "word " * 130_000}, (400, "context_length_exceeded")),
    (_RESPONSES, {"model": "gpt-4o", "input": "Hi", "tools": [{"type": "bogus"}]}, (400, "invalid_value")),
    (_EMBEDDINGS, {"model": "gpt-4o", "input": "Hi"}, (403, None)),
    (_EMBEDDINGS, {"model": "my-embedder", "input": "Hi"}, (404, "model_not_found")),
    (_google("gemini-nine"), {"contents": CONTENTS}, (404, "NOT_FOUND")),
    (_google("gemini-embedding-001"), {"contents": CONTENTS}, (404, "NOT_FOUND")),
    (_google("gemini-3.8-flash", "embedContent"), {"content": CONTENTS[0]}, (404, "NOT_FOUND")),
    (_google("gemini-3.8-flash"), {"contents": _UNSIGNED}, (400, "INVALID_ARGUMENT")),
    ("/api/chat", _chat("mistral"), (404, "model 'mistral' not found")),
    ("/api/chat", _chat("nomic-embed-text"), (400, '"nomic-embed-text" does not support chat')),
    ("/api/chat", _chat("llama3.2", think=True), (400, '"llama3.2" does not support thinking')),
    (
        "/api/chat",
        _chat("gemma3:4b", tools=[_TOOL]),
        (400, "registry.ollama.ai/library/gemma3:4b does not support tools"),
    ),
    ("/api/embed", {"model": "llama3.2", "input": "Hi"}, (501, "this model does not support embeddings")),
]


def test_w4_what_the_real_api_refuses_is_refused(fake_server: ThreadedServer) -> None:
    """In users' tests: models that are not there, what a model does not take, prompts that are too long."""
    with httpx.Client(base_url=fake_server.url, headers=KEYS, trust_env=False, timeout=30) as http:
        for path, body, expected in REFUSALS:
            answer = http.post(path, json=body)
            error = answer.json()["error"]
            code = (error.get("status") or error.get("code")) if isinstance(error, dict) else error.partition(" (")[0]
            assert (answer.status_code, code) == expected, (path, body, answer.text)
        for path in ("/v1/models/gpt-nine", "/v1beta/models/gemini-nine"):
            assert http.get(path, headers={} if "beta" in path else {"x-goog-api-key": ""}).status_code == 404, path

    with OpenAI(base_url=fake_server.base_url, api_key="k", max_retries=0) as client:
        with pytest.raises(NotFoundError, match=r"does not exist or you do not have access to it.*strict = False"):
            client.chat.completions.create(model="gpt-nine", messages=[{"role": "user", "content": "Hi"}])
        first = client.responses.create(model="gpt-4o", input="Hi")
        client.responses.create(model="gpt-4o", input="And now?", previous_response_id=first.id)
        unstored = client.responses.create(model="gpt-4o", input="Hi", store=False)
        with pytest.raises(BadRequestError, match="not found"):
            client.responses.create(model="gpt-4o", input="And now?", previous_response_id=unstored.id)


async def test_w4_a_server_under_test_may_ask_for_any_model(http: httpx.AsyncClient) -> None:
    """Behind a server, every name and every length is accepted; what is no valid request is not."""
    long = [user("word " * 10_000)]
    await posted(http, "/v1/chat/completions", {"model": "gpt-4", "messages": long, "max_tokens": 99_999})
    await posted(http, "/v1/chat/completions", {"model": "our-own", "messages": [user("Hi")], "max_tokens": 5})
    await posted(http, GEMINI.replace("2.5-flash", "nine"), {"contents": CONTENTS}, **{"x-goog-api-key": "k"})
    tool = {"type": "bogus"}
    assert (await http.post("/v1/responses", json={"model": "m", "input": "Hi", "tools": [tool]})).status_code == 400
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]
    assert (await http.post("/v1/chat/completions", json={"model": "m", "messages": image})).status_code == 400


def test_w5_what_is_listed_answers(fake_server: ThreadedServer) -> None:
    """The lists are of late 2026, and every model of a list is there for GET and for POST."""
    with httpx.Client(base_url=fake_server.url, headers=KEYS, trust_env=False, timeout=30) as http:
        openai = {"x-goog-api-key": ""}  # with a Google key the path is Gemini's
        names = [model["id"] for model in http.get("/v1/models", headers=openai).json()["data"]]
        assert {"gpt-5", "gpt-5.1", "gpt-6.2-astra", "gpt-4o", "o3", "text-embedding-3-small"} <= set(names)
        for name in names:
            assert http.get(f"/v1/models/{name}", headers=openai).json()["id"] == name
            replies = [
                http.post("/v1/chat/completions", json={"model": name, "messages": [user("Hi")]}),
                http.post("/v1/responses", json={"model": name, "input": "Hi"}),
                http.post("/v1/embeddings", json={"model": name, "input": "Hi"}),
                http.post("/v1/completions", json={"model": name, "prompt": "Hi"}),
            ]
            speaks = "audio" not in name  # which the fakes cannot
            assert any(answer.status_code == 200 for answer in replies) is speaks, name
            assert all("model_not_found" not in answer.text for answer in replies), name
        models = http.get("/v1beta/models?pageSize=1000").json()["models"]
        assert {"models/gemini-3.8-flash", "models/gemini-2.5-flash"} <= {model["name"] for model in models}
        for model in models:
            assert http.get(f"/v1beta/{model['name']}").json() == model
            method = model["supportedGenerationMethods"][0]
            sent = {"content": CONTENTS[0]} if method == "embedContent" else {"contents": CONTENTS}
            assert http.post(f"/v1beta/{model['name']}:{method}", json=sent).status_code == 200, model["name"]
        for local in http.get("/api/tags").json()["models"]:
            can = http.post("/api/show", json={"model": local["name"]}).json()["capabilities"]
            path = "/api/embed" if "embedding" in can else "/api/chat"
            body: dict[str, Any] = {"input": "Hi"} if "embedding" in can else {"messages": [user("Hi")]}
            assert http.post(path, json={"model": local["name"], **body}).status_code == 200, local["name"]


async def test_w6_stop_and_logprobs_are_honoured(http: httpx.AsyncClient) -> None:
    """`stop` cuts the text, also where it spans tokens; `logprobs` has numbers for each token; tiers are echoed."""
    asked = {"model": "gpt-4o", "messages": [user("scenario hello")]}
    whole = (await posted(http, "/v1/chat/completions", asked))["choices"][0]["message"]["content"]
    stop = whole[len(whole) // 2 - 4 : len(whole) // 2 + 4]  # it begins and ends inside of tokens
    expected = whole[: whole.index(stop)]
    cut = await posted(http, "/v1/chat/completions", {**asked, "stop": ["no such text", stop]})
    assert cut["choices"][0]["message"]["content"] == expected
    assert cut["choices"][0]["finish_reason"] == "stop"
    streamed = await http.post("/v1/chat/completions", json={**asked, "stop": stop, "stream": True})
    chunks = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == expected
    google: dict[str, Any] = {
        "contents": [{"parts": [{"text": "scenario hello"}]}],
        "generationConfig": {"stopSequences": [stop]},
    }
    candidate = (await posted(http, GEMINI, google, **{"x-goog-api-key": "k"}))["candidates"][0]
    assert ("".join(part["text"] for part in candidate["content"]["parts"]), candidate["finishReason"]) == (
        expected,
        "STOP",
    )
    local: dict[str, Any] = {
        "model": "llama3.2",
        "prompt": "scenario hello",
        "stream": False,
    }
    assert (await posted(http, "/api/generate", {**local, "options": {"stop": [stop]}}))["response"] == expected

    google["generationConfig"] = {"responseLogprobs": True, "logprobs": 2}
    candidate = (await posted(http, GEMINI, google, **{"x-goog-api-key": "k"}))["candidates"][0]
    likely = candidate["logprobsResult"]
    assert "".join(token["token"] for token in likely["chosenCandidates"]) == whole
    assert all(len(one["candidates"]) == 2 for one in likely["topCandidates"])
    assert candidate["avgLogprobs"] < 0
    wanted = {"model": "gpt-4o", "input": "scenario hello", "include": ["message.output_text.logprobs"]}
    part = (await posted(http, "/v1/responses", {**wanted, "top_logprobs": 2}))["output"][0]["content"][0]
    assert "".join(token["token"] for token in part["logprobs"]) == whole
    tokens = (await posted(http, "/api/generate", {**local, "logprobs": True, "top_logprobs": 1}))["logprobs"]
    assert "".join(token["token"] for token in tokens) == whole

    choice = (await posted(http, "/v1/chat/completions", {**asked, "logprobs": True, "top_logprobs": 3}))["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == whole
    assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) == 3 for token in tokens)
    assert all(bytes(token["bytes"]).decode() == token["token"] for token in tokens)
    tiered = {**asked, "service_tier": "priority"}
    assert (await posted(http, "/v1/chat/completions", tiered))["service_tier"] == "priority"
    unheard = await http.post("/v1/chat/completions", json={**asked, "modalities": ["text", "audio"]})
    assert unheard.status_code == 400


_EXAMPLES = {  # what OpenAI's cookbook counts, and what the API itself counted: 129 with gpt-4, 124 with gpt-4o
    "system": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
    "example_user": "New synergies will help drive top-line growth.",
    "example_assistant": "Things working well together will increase revenue.",
    "example_user ": "Let's circle back when we have more bandwidth to touch base on opportunities for increased "
    "leverage.",
    "example_assistant ": "Let's talk later when we're less busy about how to do better.",
    "user": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
}
_WEATHER = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
            "unit": {
                "type": "string",
                "description": "The unit of temperature to return",
                "enum": ["celsius", "fahrenheit"],
            },
        },
        "required": ["location"],
    },
}


async def test_w7_prompt_tokens_are_the_documented_ones(http: httpx.AsyncClient) -> None:
    """The examples of OpenAI's cookbook, of its API reference, and of its guide to images."""

    async def counted(model: str, messages: list[Any], **more: Any) -> int:
        body = {"model": model, "messages": messages, **more}
        return int((await posted(http, _CHAT, body))["usage"]["prompt_tokens"])

    jargon = [
        {"role": "system", "content": text, **({"name": name.strip()} if "_" in name else {})}
        if name != "user"
        else user(text)
        for name, text in _EXAMPLES.items()
    ]
    assert (await counted("gpt-4", jargon), await counted("gpt-4o", jargon)) == (129, 124)
    developer = {"role": "developer", "content": "You are a helpful assistant."}
    assert await counted("gpt-4o", [developer, user("Hello!")]) == 19
    weather = [
        {
            "role": "system",
            "content": "You are a helpful assistant that can answer to questions about the weather.",
        },
        user("What's the weather like in San Francisco?"),
    ]
    tools = {"tools": [{"type": "function", "function": _WEATHER}]}
    assert (await counted("gpt-4", weather, **tools), await counted("gpt-4o", weather, **tools)) == (105, 101)

    url = {"url": f"data:image/png;base64,{base64.b64encode(_PNG).decode()}"}
    for detail, tokens in ({}, 765), ({"detail": "low"}, 85):
        image = {"type": "image_url", "image_url": {**url, **detail}}
        assert await counted("gpt-4o", [{"role": "user", "content": [image]}]) == 4 + 3 + tokens

    called = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Zürich"}'}}
    loop = [
        user("Hi"),
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    ]
    assert await counted("gpt-4o", loop) > await counted("gpt-4o", loop[:1]) + 4 + 4 + 5

    body = {"model": "gpt-4o", "instructions": "You are a helpful assistant.", "input": "Hello!"}
    assert (await posted(http, _RESPONSES, body))["usage"]["input_tokens"] == 19
    assert (await posted(http, _RESPONSES, {**body, "tools": [{"type": "function", **_WEATHER}]}))["usage"][
        "input_tokens"
    ] > 60
    gemini = {"contents": CONTENTS, "tools": [{"functionDeclarations": [_WEATHER]}]}
    plain = (await posted(http, GEMINI, {"contents": CONTENTS}, **KEYS))["usageMetadata"]["promptTokenCount"]
    assert (await posted(http, GEMINI, gemini, **KEYS))["usageMetadata"]["promptTokenCount"] > plain + 20
    ollama: dict[str, Any] = {"model": "llama3.2", "messages": [user("Hi")], "stream": False}
    alone = (await posted(http, "/api/chat", ollama))["prompt_eval_count"]
    assert (await posted(http, "/api/chat", {**ollama, **tools}))["prompt_eval_count"] > alone + 20


async def test_w8_texts_are_split_by_the_vocabulary_of_the_model(http: httpx.AsyncClient) -> None:
    """o200k for gpt-4o and later, cl100k for the models before it. A token that is half a character is never sent."""
    sizes = {}
    for model in ("gpt-4", "gpt-4o", "gpt-5.4", "llama3.2", "gpt-oss:20b"):
        reply = await posted(http, _CHAT, {"model": model, "messages": [user("scenario unicode")]})
        sizes[model] = reply["usage"]["completion_tokens"]
    assert sizes == {"gpt-4": 58, "gpt-4o": 40, "gpt-5.4": 40, "llama3.2": 58, "gpt-oss:20b": 40}


async def test_w9_a_local_model_is_answered_as_one_with_a_key_too(http: httpx.AsyncClient) -> None:
    """Every client of OpenAI's sends a key. Local servers take parameters that OpenAI refuses."""
    asked = {"messages": [user("Hi")], "top_k": 40}
    for model in ("llama3.2", "qwen3:8b", "gpt-oss:20b", "mistral:7b"):
        reply = await posted(http, "/v1/chat/completions", {"model": model, **asked})
        assert reply["system_fingerprint"] == "fp_ollama"
    assert (await http.post("/v1/chat/completions", json={"model": "gpt-4o", **asked})).status_code == 400


async def test_w10_a_model_has_one_embedding_at_every_path(http: httpx.AsyncClient) -> None:
    """The same width and the same numbers."""
    for model, width in (("nomic-embed-text", 768), ("nomic-embed-text:latest", 768), ("mxbai-embed-large", 1024)):
        own = (await posted(http, "/api/embed", {"model": model, "input": "Hello"}))["embeddings"][0]
        old = (await posted(http, "/api/embeddings", {"model": model, "prompt": "Hello"}))["embedding"]
        assert (len(own), old) == (width, own)
        for prefix in ("", "/ollama", "/vllm", "/llamacpp", "/lmstudio"):
            compatible = (await posted(http, f"{prefix}/v1/embeddings", {"model": model, "input": "Hello"}))["data"]
            assert compatible[0]["embedding"] == pytest.approx(own, abs=1e-6), prefix


async def test_w11_unknown_paths_have_the_shape_of_their_provider(http: httpx.AsyncClient) -> None:
    for path in ("/v1beta/files", "/v1beta/agents", "/v1/models/gemini-2.5-flash:bogus", "/v1alpha"):
        error = (await http.post(path, json={})).json()["error"]
        assert (error["code"], error["status"]) == (404, "NOT_FOUND"), path
        assert "GOOGLE_GEMINI_BASE_URL" in error["message"]
    for path in ("/v1/messages/batches", "/v1/complete", "/v1/skills", "/anthropic/v1/files"):
        body = (await http.post(path, json={})).json()
        assert (body["type"], body["error"]["type"]) == ("error", "not_found_error"), path
        assert "count_tokens" in body["error"]["message"], "it says what there is"
    response = await http.post("/openai/deployments/mine/audio/speech?api-version=2024-10-21", json={})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "404")
    assert "/openai/deployments/{name}/chat/completions" in response.json()["error"]["message"]
    assert "OPENAI_BASE_URL ends in /v1" in (await http.post("/chat/completions", json={})).json()["error"]["message"]


async def test_w11_scripted_errors_are_the_real_ones(http: httpx.AsyncClient) -> None:
    steps = '[[steps]]\nfault = "status"\nstatus = 400\n'
    too_long = f'about = "x"\n{steps}code = "context_length_exceeded"'
    assert (await http.put("/_fake/scripts/too-long", content=too_long)).status_code == 200
    assert (
        await http.put("/_fake/scripts/param", content=f'about = "x"\n{steps}param = "tools[0]"')
    ).status_code == 200
    ask = {"model": "gpt-4o", "messages": [user("scenario too-long")]}
    error = (await http.post(_CHAT, json=ask)).json()["error"]
    assert error == {
        "message": "This model's maximum context length is 128000 tokens. However, your messages resulted in 128001"
        " tokens. Please reduce the length of the messages.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
    error = (await http.post(_RESPONSES, json={"model": "gpt-4o", "input": "scenario too-long"})).json()["error"]
    assert error["param"] == "input"
    assert error["message"].startswith("Your input exceeds the context window of this model.")
    error = (await http.post(_CHAT, json={"model": "gpt-4o", "messages": [user("scenario param")]})).json()["error"]
    assert error["param"] == "tools[0]"


async def test_w11_packed_bodies_are_read(http: httpx.AsyncClient) -> None:
    body = json.dumps({"model": "gpt-4o", "messages": [user("scenario hello")]}).encode()
    raw = zlib.compressobj(wbits=-15)
    packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "Deflate": raw.compress(body) + raw.flush()}
    for name, content in packed.items():
        headers = {"content-encoding": name, "content-type": "application/json"}
        assert (await http.post(_CHAT, content=content, headers=headers)).status_code == 200, name
    bomb = gzip.compress(b" " * 40_000_000)
    for name, content in (("gzip", b"no gzip"), ("zstd", body), ("gzip", bomb), ("gzip", packed["gzip"][:-9])):
        response = await http.post(_CHAT, content=content, headers={"content-encoding": name})
        assert response.status_code == 400, name
        assert response.json()["error"]["message"].startswith("We could not parse the JSON body"), name
    assert "larger than" in (await http.post(_CHAT, content=bomb, headers={"content-encoding": "gzip"})).text


async def test_w11_no_web_page_reads_the_journal(http: httpx.AsyncClient) -> None:
    """Neither by DNS rebinding, nor with the requests that a page of another site may send."""
    evil = {"host": "evil.example:8089"}, {"origin": "https://evil.example"}, {"origin": "null"}
    for headers in (*evil, {"sec-fetch-site": "cross-site"}):
        for method, path in (("GET", "journal"), ("GET", "health"), ("DELETE", "journal"), ("PUT", "scripts/x")):
            response = await http.request(method, f"/_fake/{path}", headers=headers)
            assert response.status_code == 403, (headers, method, path)
            assert set(response.json()) == {"error"}
    forms = (
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    )
    for kind in forms:
        response = await http.post("/_fake/listener", content='{"refuse_s": 30}', headers={"content-type": kind})
        assert response.status_code == 403, kind
    port = http.base_url.port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "[::1]", "127.9.9.9", "fakes.localhost"):
        response = await http.get("/_fake/journal", headers={"host": host, "origin": f"http://localhost:{port}"})
        assert response.status_code == 200, host


async def test_w12_the_journal_shows_no_secret(http: httpx.AsyncClient) -> None:
    secret = "hX9SECRET99q"
    headers = {"x-auth": secret, "x-secret": secret, "set-cookie": f"session={secret}", "api-key": secret}
    said = f"My key is sk-proj-{secret}, use Bearer {secret} case told"
    arguments = json.dumps({"api_key": secret, "city": "Paris"})
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    body = {
        "model": "llama3.2",
        "messages": [
            {"role": "assistant", "tool_calls": [call]},
            {
                "role": "tool",
                "tool_call_id": "c",
                "content": f"password: x, X-Auth: {secret}, https://x.test/?sig={secret}",
            },
            user(said),
        ],
        "api_key": f"{secret}",
        "extra": {
            "client_secret": secret,
            "Password": secret,
            "accessToken": secret,
            "max_tokens": 5,
            "prompt_cache_key": "mine",
        },
    }
    assert (await http.post(f"/vllm/v1/chat/completions?sig={secret}", json=body, headers=headers)).status_code == 200
    response = await http.get("/_fake/journal?case=told")
    assert secret not in response.text
    (entry,) = response.json()["entries"]
    assert entry["body"]["api_key"] == "[redacted]"
    assert entry["body"]["messages"][-1]["content"] == "My key is [redacted], use Bearer [redacted] case told"
    assert entry["body"]["extra"]["max_tokens"] == 5
    assert entry["body"]["extra"]["prompt_cache_key"] == "mine"
    assert '"city": "Paris"' in entry["body"]["messages"][0]["tool_calls"][0]["function"]["arguments"]
