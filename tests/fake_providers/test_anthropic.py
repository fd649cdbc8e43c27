"""Anthropic's messages: events, whole messages, thoughts, calls, refusals, errors and their headers, models, counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fake_providers.anthropic_kit import COUNT, KEYS, MODEL, PATH, THINKS, asked, replied, talk

WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
TEXT = '[[steps]]\ntokens = ["Hel", "lo"]\n'


def test_the_events_of_a_stream() -> None:
    events = replied(asked("scenario mine", stream=True), script=TEXT).events
    assert all(name == data["type"] for name, data in events)
    assert [name for name, _ in events] == [
        *("message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta"),
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    message = events[0][1]["message"]
    assert (message["role"], message["content"], message["stop_reason"]) == ("assistant", [], None)
    assert message["model"] == "claude-haiku-4-5-20251001", "the model, where the request has an alias"
    assert message["usage"]["output_tokens"] == 1
    assert [data["delta"] for name, data in events if name == "content_block_delta"] == [
        {"type": "text_delta", "text": "Hel"},
        {"type": "text_delta", "text": "lo"},
    ]
    end = events[-2][1]
    assert end["delta"] == {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}
    assert (end["usage"]["input_tokens"], end["usage"]["output_tokens"]) == (message["usage"]["input_tokens"], 2)


def test_the_whole_message_says_the_same() -> None:
    message = replied(asked("scenario mine"), script=TEXT).json
    streamed = replied(asked("scenario mine", stream=True), script=TEXT).events
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert (message["type"], message["stop_reason"], message["usage"]["output_tokens"]) == ("message", "end_turn", 2)
    assert message["usage"]["input_tokens"] == streamed[0][1]["message"]["usage"]["input_tokens"]
    assert message["id"].startswith("msg_01")
    assert message["id"] != streamed[0][1]["message"]["id"], "another request has another id"
    again = replied(asked("scenario mine"), script=TEXT)
    assert again.json == message


def test_thoughts_are_shown_hidden_or_redacted() -> None:
    script = '[[steps]]\nthinking = ["Hm", "."]\n[[steps]]\ntokens = ["Yes"]\n'
    body = asked("scenario mine", thinking=THINKS, stream=True)
    shown = replied(body, script=script).events
    deltas = [data["delta"] for name, data in shown if name == "content_block_delta"]
    assert [delta["type"] for delta in deltas] == ["thinking_delta", "thinking_delta", "signature_delta", "text_delta"]
    assert [data["index"] for name, data in shown if name == "content_block_stop"] == [0, 1]
    assert shown[-2][1]["usage"]["output_tokens_details"] == {"thinking_tokens": 2}

    unasked = replied(asked("scenario mine"), script=script).json
    assert [block["type"] for block in unasked["content"]] == ["text"]
    assert "output_tokens_details" not in unasked["usage"]

    hidden = replied(asked("scenario mine", model="claude-opus-5"), script=script).json
    assert [block["type"] for block in hidden["content"]] == ["thinking", "text"]
    assert hidden["content"][0]["thinking"] == ""
    assert hidden["content"][0]["signature"]
    wanted = {"type": "adaptive", "display": "summarized"}
    assert replied(asked("scenario mine", model="claude-opus-5", thinking=wanted), script=script).json["content"][0][
        "thinking"
    ]

    redacted = replied(body, script=script.replace('"."]', '"."]\nredacted = true')).events
    assert redacted[1][1]["content_block"].keys() == {"type", "data"}
    assert [data["delta"]["type"] for name, data in redacted if name == "content_block_delta"] == ["text_delta"]


def test_redacted_goes_with_thoughts_only() -> None:
    from chatproof.fake_providers.scripting.script import ScriptError, parse_script

    with pytest.raises(ScriptError, match="redacted"):
        parse_script("mine", 'about = "x"\n[[steps]]\ntext = "a"\nredacted = true')


def test_the_documented_magic_texts() -> None:
    trigger = "ANTHROPIC_MAGIC_STRING_TRIGGER_"
    refused = replied(asked(f"{trigger}REFUSAL_1FAEFB6177B4672DEE07F9D3AFC62588CCD2631EDCF22E8CCC1FB35B501C9C86")).json
    assert (refused["stop_reason"], refused["content"]) == ("refusal", [])
    words = f"{trigger}REDACTED_THINKING_46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB"
    assert [one["type"] for one in replied(asked(words, thinking=THINKS)).json["content"]] == [
        "redacted_thinking",
        "text",
    ]


def test_a_call_comes_in_pieces_and_whole() -> None:
    script = f'{TEXT}[[steps]]\ntool_call = "get_weather"\narguments = {{ city = "Köln" }}\n'
    body = asked("scenario mine", tools=[WEATHER])
    events = replied({**body, "stream": True}, script=script).events
    start = next(data for _, data in events if data.get("content_block", {}).get("type") == "tool_use")
    pieces = [data["delta"]["partial_json"] for name, data in events if "partial_json" in str(data)]
    assert (start["index"], start["content_block"]["input"], pieces[0]) == (1, {}, "")
    assert json.loads("".join(pieces)) == {"city": "Köln"}
    assert events[-2][1]["delta"]["stop_reason"] == "tool_use"
    whole = replied(body, script=script).json
    assert whole["content"][1]["input"] == {"city": "Köln"}
    assert whole["content"][1]["id"].startswith("toolu_01")


def test_after_a_tools_result_the_script_goes_on() -> None:
    script = '[[steps]]\ntool_call = "get_weather"\n[[after_tool]]\ntokens = ["Sunny"]\n'
    call = replied(asked("scenario mine", tools=[WEATHER]), script=script).json["content"]
    result = {"type": "tool_result", "tool_use_id": call[0]["id"], "content": [{"type": "text", "text": "20"}]}
    answer = replied(talk("scenario mine", call, [result], tools=[WEATHER]), script=script).json
    assert answer["content"] == [{"type": "text", "text": "Sunny"}]
    more = replied(
        talk("Hi", call, [result, {"type": "text", "text": "scenario mine"}], tools=[WEATHER]), script=script
    )
    assert more.json["stop_reason"] == "tool_use", "a text behind the result is the user's next message"


def test_a_refusal_is_a_stop_reason() -> None:
    message = replied(asked("scenario refusal")).json
    assert (message["content"], message["stop_reason"]) == ([], "refusal")
    assert message["stop_details"]["explanation"].startswith("I'm sorry")
    events = replied(asked("scenario refusal", stream=True)).events
    assert [name for name, _ in events] == ["message_start", "message_delta", "message_stop"]
    blocked = replied(asked("scenario mine"), script=f'blocked = "cyber"\n{TEXT}').json
    assert blocked["stop_details"] == {"type": "refusal", "category": "cyber", "explanation": None}


@pytest.mark.parametrize(
    ("more", "script", "reason", "sequence"),
    [
        ({"max_tokens": 1}, TEXT, "max_tokens", None),
        ({}, f'finish_reason = "length"\n{TEXT}', "max_tokens", None),
        ({}, f'finish_reason = "content_filter"\n{TEXT}', "refusal", None),
        ({"stop_sequences": ["x", "lo"]}, TEXT, "stop_sequence", "lo"),
    ],
)
def test_why_it_ended(more: dict[str, Any], script: str, reason: str, sequence: str | None) -> None:
    for stream in (False, True):
        answer = replied(asked("scenario mine", stream=stream, **more), script=script)
        end = answer.events[-2][1]["delta"] if stream else answer.json
        assert (end["stop_reason"], end["stop_sequence"]) == (reason, sequence)


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("status = 400", 400, "invalid_request_error"),
        ("status = 401", 401, "authentication_error"),
        ("status = 402", 402, "billing_error"),
        ("status = 403", 403, "permission_error"),
        ("status = 404", 404, "not_found_error"),
        ("status = 413", 413, "request_too_large"),
        ("status = 429", 429, "rate_limit_error"),
        ("status = 500", 500, "api_error"),
        ("status = 503", 529, "overloaded_error"),
        ("status = 504", 504, "timeout_error"),
        ("status = 529", 529, "overloaded_error"),
        ('status = 429\ncode = "insufficient_quota"', 400, "invalid_request_error"),
        ('status = 500\ntype = "overloaded_error"', 500, "overloaded_error"),
    ],
)
def test_every_error_has_its_shape_and_its_id(fault: str, status: int, kind: str) -> None:
    answer = replied(asked("scenario mine"), script=f'[[steps]]\nfault = "status"\n{fault}')
    assert answer.error[:2] == (status, kind)
    assert answer.json["type"] == "error"
    assert answer.json["request_id"] == answer.headers["request-id"]
    again = status >= 500 or status == 429
    assert answer.headers["x-should-retry"] == str(again).lower()


def test_a_spent_limit_says_when_to_come_back() -> None:
    script = '[[steps]]\nfault = "status"\nstatus = 429\nretry_after_s = 7'
    headers = replied(asked("scenario mine"), script=script).headers
    assert headers["retry-after"] == "7"
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert headers["anthropic-ratelimit-requests-reset"] == "2023-11-14T22:13:27Z"
    tokens = replied(asked("scenario mine"), script=f'{script}\ntype = "tokens"').headers
    assert tokens["anthropic-ratelimit-input-tokens-remaining"] == "0"
    assert tokens["anthropic-ratelimit-requests-remaining"] != "0"
    assert replied(asked()).headers["anthropic-ratelimit-output-tokens-limit"] == "80000"


def test_an_error_in_the_stream() -> None:
    script = f'{TEXT}[[steps]]\nfault = "error"\ntype = "overloaded_error"'
    name, data = replied(asked("scenario mine", stream=True), script=script).events[-1]
    assert (name, data["type"]) == ("error", "error")
    assert data["error"] == {"details": None, "type": "overloaded_error", "message": "Overloaded"}
    assert replied(asked("scenario mine"), script=script).error[:2] == (500, "overloaded_error")


def test_who_may_ask() -> None:
    version = {"anthropic-version": "2023-06-01"}
    assert replied(asked(), headers=version).error == (401, "authentication_error", "x-api-key header is required")
    assert replied(asked(), headers={"authorization": "Bearer t", **version}).status == 200
    assert replied(asked(), headers={"x-api-key": "k"}).error[2] == "anthropic-version: header is required"
    odd = replied(asked(), headers={"x-api-key": "k", "anthropic-version": "2020-01-01"})
    assert odd.error[2] == 'anthropic-version: "2020-01-01" is not a valid version'
    assert replied(None, PATH).status == 405
    assert replied(b"{", PATH).error[:2] == (400, "invalid_request_error")


def test_paths_with_and_without_a_prefix() -> None:
    assert replied(asked(), "/anthropic/v1/messages").json["content"] == replied(asked()).json["content"]
    assert replied({}, "/anthropic/v1/other").error[:2] == (404, "not_found_error")
    assert replied(asked(), f"{PATH}?beta=true").status == 200


def test_on_models_the_headers_decide() -> None:
    ours = replied(None, "/v1/models")
    assert ours.json["data"][0]["type"] == "model"
    assert replied(None, "/v1/models", headers={"x-api-key": "k"}).error[2] == "anthropic-version: header is required"
    assert replied(None, "/v1/models", headers={"authorization": "Bearer k"}).json["object"] == "list"


def test_the_list_of_models_has_pages() -> None:
    names: list[str] = []
    after = ""
    while True:
        page = replied(None, f"/v1/models?limit=4{after}").json
        names += [one["id"] for one in page["data"]]
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
        if not page["has_more"]:
            break
        after = f"&after_id={page['last_id']}"
    everything = replied(None, "/v1/models").json
    assert names == [one["id"] for one in everything["data"]]
    assert not everything["has_more"]
    back = replied(None, f"/v1/models?limit=2&before_id={names[5]}").json
    assert [one["id"] for one in back["data"]] == names[3:5]
    empty = replied(None, f"/v1/models?after_id={names[-1]}").json
    assert empty == {"data": [], "has_more": False, "first_id": None, "last_id": None}
    for query in ("limit=0", "limit=1001", "limit=x", "after_id=none"):
        assert replied(None, f"/v1/models?{query}").status == 400


def test_a_model_is_found_by_its_alias() -> None:
    found = replied(None, f"/v1/models/{MODEL}").json
    assert (found["id"], found["display_name"]) == ("claude-haiku-4-5-20251001", "Claude Haiku 4.5")
    assert (found["max_input_tokens"], found["max_tokens"], found["line"]) == (200_000, 64_000, "haiku")
    assert found["capabilities"]["thinking"]["types"]["enabled"] == {"supported": True}
    assert replied(None, "/v1/models/claude-9").error == (404, "not_found_error", "model: claude-9")
    assert replied(None, "/v1/models/claude-9", strict=False).json["id"] == "claude-9"


def test_tokens_are_counted_as_they_are_billed() -> None:
    hello = {
        "model": MODEL,
        "system": "You are a scientist",
        "messages": [{"role": "user", "content": "Hello, Claude"}],
    }
    assert replied(hello, COUNT).json == {"input_tokens": 14}, "as the documentation shows it"
    described = "Get the current weather in a given location"
    city = {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
    schema = {"type": "object", "properties": {"location": city}, "required": ["location"]}
    tool = {"name": "get_weather", "description": described, "input_schema": schema}
    question = [{"role": "user", "content": "What's the weather like in San Francisco?"}]
    assert replied({"model": MODEL, "tools": [tool], "messages": question}, COUNT).json == {"input_tokens": 403}
    for more in (
        {},
        {"system": "Be brief."},
        {"tools": [WEATHER]},
        {"tools": [WEATHER], "tool_choice": {"type": "any"}},
    ):
        body = asked("scenario hello", **more)
        billed = replied(body).json["usage"]["input_tokens"]
        del body["max_tokens"]
        assert replied(body, COUNT).json == {"input_tokens": billed}
    assert replied({"messages": []}, COUNT).error[2] == "model: Field required"


def test_ids_depend_on_the_whole_request() -> None:
    ids = set()
    for more in ({}, {"system": "a"}, {"temperature": 0.5}, {"max_tokens": 9}, {"metadata": {"user_id": "u"}}):
        answer = replied(asked("scenario tool-call", tools=[WEATHER], **more))
        ids |= {answer.json["id"], answer.json["content"][-1]["id"], answer.headers["request-id"]}
    assert len(ids) == 15


def test_structured_output_and_forced_calls_get_valid_instances() -> None:
    properties = {"city": {"type": "string"}, "days": {"type": "integer"}}
    schema = {"type": "object", "properties": properties, "required": ["city", "days"], "additionalProperties": False}
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    (block,) = replied(asked(output_config=wanted)).json["content"]
    assert json.loads(block["text"]).keys() == {"city", "days"}
    strict = {"name": "plan", "input_schema": schema, "strict": True}
    for choice in ({"type": "any"}, {"type": "tool", "name": "plan"}):
        message = replied(asked(tools=[strict], tool_choice=choice)).json
        assert message["stop_reason"] == "tool_use"
        assert isinstance(message["content"][0]["input"]["days"], int)
    for choice in ({"type": "auto"}, {"type": "none"}):
        assert replied(asked(tools=[strict], tool_choice=choice)).json["stop_reason"] == "end_turn"


def test_a_named_scenario_is_played_whatever_the_request_demands() -> None:
    choice = {"type": "tool", "name": "get_weather"}
    assert replied(asked("scenario hello", tools=[WEATHER], tool_choice=choice)).json["stop_reason"] == "end_turn"


def test_an_unknown_script_is_a_400_that_names_the_known_ones() -> None:
    answer = replied(asked("scenario helo"))
    assert answer.error[:2] == (400, "invalid_request_error")
    assert "hello" in answer.json["error"]["message"]


def test_other_versions_of_the_headers_are_not_lost() -> None:
    assert replied(asked(), headers={**KEYS, "anthropic-beta": "context-1m-2025-08-07"}).status == 200


def test_the_newest_version_has_no_sampling_parameters() -> None:
    newest = {**KEYS, "anthropic-version": "2026-10-21"}
    assert replied(asked(), headers=newest).status == 200
    refused = replied(asked(temperature=0.5), headers=newest).error
    assert refused == (400, "invalid_request_error", "temperature: Extra inputs are not permitted")
    assert replied(asked(temperature=0.5)).status == 200
