"""Gemini's Interactions: made, streamed, gone on from, read again, cancelled and deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.scripting.script import parse_script
from tests.fake_providers.routes_kit import GOOGLE, Provider

PATH = "/v1beta/interactions"
MODEL = "gemini-3.8-flash"
OLDER = "gemini-2.5-flash"  # signs nothing unasked
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
TWO = (
    'about = "x"\n[[steps]]\nthinking = ["Let", " me"]\n[[steps]]\ntext = "Well."\n[[steps]]\ntool_call = "a"\n'
    'arguments = { city = "Paris" }'
)


def body(said: Any = "scenario three-tokens", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": said, **more}


@pytest.fixture
def gemini() -> Provider:
    return Provider(GOOGLE)


def test_a_whole_interaction(gemini: Provider) -> None:
    found = gemini.post(PATH, body())
    made = found.json
    assert (made["status"], made["object"], made["model"], made["id"][:3]) == ("completed", "interaction", MODEL, "v1_")
    thought, output = made["steps"]
    assert (thought["type"], bool(thought["signature"]), "summary" in thought) == ("thought", True, False)
    assert output == {"type": "model_output", "content": [{"text": "Three small words.", "type": "text"}]}
    assert (made["usage"]["total_output_tokens"], made["usage"]["total_tokens"]) == (
        3,
        3 + made["usage"]["total_input_tokens"],
    )
    assert found.answer.provider == "gemini"
    assert [step["type"] for step in gemini.post(PATH, {**body(), "model": OLDER}).json["steps"]] == ["model_output"]


def test_a_stream_comes_to_the_same(gemini: Provider) -> None:
    gemini.planner.library.register(parse_script("two", TWO))
    sent = body("scenario two", generation_config={"thinking_summaries": "auto"}, tools=[TOOL])
    whole, found = gemini.post(PATH, sent).json, gemini.post(PATH, {**sent, "stream": True})
    *events, done = found.events
    assert done == "[DONE]"
    assert found.body.endswith(b"event: done\ndata: [DONE]\n\n")
    assert [event["event_type"] for event in events[:2]] == ["interaction.created", "interaction.status_update"]
    steps: list[dict[str, Any]] = []
    for event in events[2:-1]:
        if event["event_type"] == "step.start":
            assert event["index"] == len(steps)
            steps.append(event["step"])
        elif event["event_type"] == "step.delta":
            delta, step = event["delta"], steps[event["index"]]
            if delta["type"] == "thought_summary":
                step.setdefault("summary", [{"text": "", "type": "text"}])[0]["text"] += delta["content"]["text"]
            elif delta["type"] == "thought_signature":
                step["signature"] = delta["signature"]
            elif delta["type"] == "text":
                step.setdefault("content", [{"text": "", "type": "text"}])[0]["text"] += delta["text"]
            else:
                step["arguments"] = (step["arguments"] or "") + delta["arguments"]
    assert [step["type"] for step in steps] == ["thought", "model_output", "function_call"]
    assert steps[0]["summary"] == whole["steps"][0]["summary"] == [{"text": "Let me", "type": "text"}]
    assert (steps[1], steps[2]["arguments"]) == (whole["steps"][1], '{"city":"Paris"}')
    assert whole["steps"][2]["arguments"] == {"city": "Paris"}
    last = events[-1]["interaction"]
    assert (last["status"], whole["status"]) == ("requires_action", "requires_action")
    assert (last["usage"], "steps" in last) == (whole["usage"], False)
    assert [event["event_id"] for event in events] == [f"evt_{number}" for number in range(len(events))]


def test_a_conversation_goes_on_from_the_last_interaction(gemini: Provider) -> None:
    """One turn calls a tool and the next brings its result; turns and tokens are counted over all requests."""
    first = gemini.post(PATH, body("scenario tool-call", tools=[TOOL])).json
    call = next(step for step in first["steps"] if step["type"] == "function_call")
    result = {"type": "function_result", "call_id": call["id"], "name": call["name"], "result": "rain"}
    on = {"previous_interaction_id": first["id"], "tools": [TOOL]}
    second = gemini.post(PATH, body([result], **on)).json
    assert second["steps"][-1]["type"] == "model_output", "the result ends the loop"
    assert second["usage"]["total_input_tokens"] > first["usage"]["total_input_tokens"]
    assert second["previous_interaction_id"] == first["id"]
    lost = gemini.post(PATH, body([{**result, "call_id": "nobody"}], **on))
    assert "function response turn comes immediately after" in lost.json["error"]["message"]
    forgot = gemini.post(PATH, body("Never mind", **on))
    assert (forgot.status, forgot.json["error"]["code"]) == (400, "invalid_request")
    toml = 'about = "x"\n[match]\nturn = 2\n[[steps]]\ntext = "the second turn"'
    gemini.planner.library.register(parse_script("second", toml))
    third = gemini.post(PATH, body("And?", previous_interaction_id=gemini.post(PATH, body("Hello!")).json["id"])).json
    assert third["steps"][-1]["content"][0]["text"] == "the second turn"


def test_an_interaction_is_read_again_until_it_is_deleted(gemini: Provider) -> None:
    made = gemini.post(PATH, body()).json
    where = f"{PATH}/{made['id']}"
    assert gemini.get(where).json == made
    assert gemini.get(f"{where}?include_input=true").json["input"] == [
        {"type": "user_input", "content": [{"type": "text", "text": "scenario three-tokens"}]}
    ]
    assert gemini.send("DELETE", where).json == {}
    gone = gemini.get(where)
    assert (gone.status, gone.json["error"]["code"]) == (404, "not_found")
    assert gemini.post(PATH, body("Go on", previous_interaction_id=made["id"])).status == 404
    unstored = gemini.post(PATH, body(store=False)).json
    assert gemini.get(f"{PATH}/{unstored['id']}").status == 404


def test_a_stream_is_read_on_from_an_event(gemini: Provider) -> None:
    events = gemini.post(PATH, body(stream=True)).events
    where = f"{PATH}/{events[0]['interaction']['id']}?stream=true"
    assert gemini.get(where).events == events
    assert gemini.get(f"{where}&last_event_id={events[3]['event_id']}").events == events[4:]
    assert gemini.get(f"{where}&last_event_id=x").status == 400


def test_the_background(gemini: Provider) -> None:
    made = gemini.post(PATH, body(background=True)).json
    where = f"{PATH}/{made['id']}"
    assert [one["status"] for one in (made, gemini.get(where).json, gemini.get(where).json)] == [
        "in_progress",
        "in_progress",
        "completed",
    ]
    assert gemini.post(f"{where}/cancel", None).status == 400
    gemini.post(PATH, body(background=True))
    assert gemini.post(f"{where}/cancel", None).json["status"] == "cancelled"
    assert gemini.get(where).json["status"] == "cancelled"


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (body(model="gemini-9"), 404, "is not found"),
        ({"model": MODEL}, 400, "'input'"),
        ({"input": "Hi"}, 400, "'model'"),
        ({"agent": "deep-research", "input": "Hi"}, 400, "plays models, not agents"),
        (body(messages=[]), 400, "'messages'"),
        (body([{"type": "bogus"}]), 400, "input[0]"),
        (body([{"type": "function_result", "call_id": "1"}]), 400, "result is missing"),
        (body(generation_config={"top_k": 3}), 400, "generation_config.top_k"),
        (body(generation_config={"thinking_level": "none"}), 400, "thinking_level"),
        (body(tools=[{"type": "bogus"}]), 400, "tools[0].type"),
        (body(stream="yes"), 400, "'stream'"),
        (body(previous_interaction_id="v1_nobody"), 404, "not found"),
        (body("scenario no-such-thing"), 400, "Unknown scenario"),
        (body(background=True, store=False), 400, "store"),
        (body("scenario three-tokens wire crlf", stream=True), 400, "one form only"),
    ],
)
def test_what_is_refused(gemini: Provider, sent: Any, status: int, said: str) -> None:
    found = gemini.post(PATH, sent)
    assert found.status == status, found.body
    assert said in found.json["error"]["message"]
    assert found.json["error"]["code"] == {400: "invalid_request", 404: "not_found"}[status]


@pytest.mark.parametrize("depth", [90, 110, 900])
def test_a_body_may_be_nested_in_a_hundred_levels(gemini: Provider, depth: int) -> None:
    nested: Any = {}
    for _ in range(depth):
        nested = {"properties": nested}
    made = gemini.post(PATH, body(tools=[{**TOOL, "parameters": nested}]))
    assert made.status == (200 if depth < 100 else 400), made.body[:200]


def test_numbers_that_json_cannot_hold_are_refused(gemini: Provider) -> None:
    sent = json.dumps(body(generation_config={"temperature": 0.5})).replace("0.5", "1e999").encode()
    request = as_request("POST", PATH, dict([GOOGLE]), sent)
    assert gemini.planner.answer(request, chunks_allowed=False, keep_alive=True).plan.status == 400


def test_googles_frontend_answers_first() -> None:
    found = Provider(("authorization", "none")).post(PATH, body())
    assert (found.status, found.json["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert Provider(("x", "y")).post(f"{PATH}?key=k", body()).status == 200


def test_scripts_fail_as_the_api_does(gemini: Provider) -> None:
    limited = gemini.post(PATH, body("scenario rate-limited"))
    assert limited.status == 429
    assert isinstance(limited.json["error"]["code"], str)
    events = gemini.post(PATH, body("scenario error-mid", stream=True)).events
    assert (events[-1]["event_type"], isinstance(events[-1]["error"]["code"], str)) == ("error", True)
    assert gemini.post(PATH, body("scenario error-mid")).status == 500
    cut = gemini.post(PATH, body(generation_config={"max_output_tokens": 2})).json
    assert (cut["status"], cut["steps"][-1]["content"][0]["text"]) == ("incomplete", "Three small")


def test_what_a_request_demands_of_its_reply(gemini: Provider) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    for wanted in (schema, {"type": "text", "mime_type": "application/json", "schema": schema}):
        text = gemini.post(PATH, body("Hi", response_format=wanted)).json["steps"][-1]["content"][0]["text"]
        assert '"city"' in text
    for choice in ("any", {"allowed_tools": {"mode": "any", "tools": ["get_weather"]}}):
        made = gemini.post(PATH, body("Hi", tools=[TOOL], generation_config={"tool_choice": choice})).json
        assert (made["status"], made["steps"][-1]["name"]) == ("requires_action", "get_weather")
    assert gemini.post(PATH, body("Hi", response_format={"type": "audio"})).status == 400


def test_equal_requests_have_equal_bytes(gemini: Provider) -> None:
    first = gemini.post(PATH, body(stream=True))
    assert (
        first.body == gemini.post(PATH, body(stream=True)).body == Provider(GOOGLE).post(PATH, body(stream=True)).body
    )
    older = f"{PATH.replace('v1beta', 'v1')}"
    assert gemini.post(older, body()).status == 200
