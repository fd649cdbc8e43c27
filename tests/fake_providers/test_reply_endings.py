"""Refusals, empty replies, and the endings that only some providers have."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from chatproof.fake_providers.scripting.script import Script, parse_script
from tests.fake_providers import gemini_kit as google
from tests.fake_providers import local_kit as local
from tests.fake_providers import openai_kit as openai

REFUSES: Final = 'about = "x"\n[[steps]]\nrefusal = ["I", " won\'t"]'
TALKS_FIRST: Final = 'about = "x"\n[[steps]]\ntokens = ["Well"]\n[[steps]]\nrefusal = [" no"]'
EMPTY: Final = 'about = "x"\n[[steps]]\ntext = ""'
USAGE: Final = {"stream": True, "stream_options": {"include_usage": True}}
CHATS: Final = [f"/{product}/v1/chat/completions" for product in local.PRODUCTS]


def named(toml: str) -> dict[str, Script]:
    return {"tiny": parse_script("tiny", toml)}


def deltas(toml: str, **more: Any) -> list[dict[str, Any]]:
    reply = openai.replied(openai.chat(**USAGE, **more), named(toml))
    return [choice["delta"] for _, event in openai.events(reply) for choice in event["choices"]]


def message(toml: str) -> dict[str, Any]:
    answer = openai.whole(openai.replied(openai.chat(), named(toml)))
    assert answer["choices"][0]["finish_reason"] == "stop"
    return dict(answer["choices"][0]["message"])


def response(toml: str, **more: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o", "input": "scenario tiny", **more}
    return openai.whole(openai.replied(body, named(toml), openai.RESPONSES))


def test_a_chat_completion_refuses_in_a_field_of_its_own() -> None:
    assert deltas(REFUSES) == [
        {"role": "assistant", "content": None, "refusal": ""},
        {"refusal": "I"},
        {"refusal": " won't"},
        {},
    ]
    assert message(REFUSES) == {"role": "assistant", "content": None, "refusal": "I won't", "annotations": []}
    assert [delta.get("refusal") for delta in deltas(TALKS_FIRST)] == [None, None, " no", None]
    assert (message(TALKS_FIRST)["content"], message(TALKS_FIRST)["refusal"]) == ("Well", " no")


def test_a_response_refuses_in_a_part_of_its_own() -> None:
    body = {"model": "gpt-4o", "input": "scenario tiny", "stream": True}
    events = openai.events(openai.replied(body, named(TALKS_FIRST), openai.RESPONSES))
    kinds = [name.removeprefix("response.") for name, _ in events if name]
    assert kinds[3:] == [
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    places = [event["content_index"] for _, event in events if "content_index" in event]
    assert places == [0] * 4 + [1] * 4
    assert response(REFUSES)["output"][0]["content"] == [{"type": "refusal", "refusal": "I won't"}]
    output = events[-1][1]["response"]["output"]
    assert openai.without_ids(output) == openai.without_ids(response(TALKS_FIRST)["output"])


@pytest.mark.parametrize("framing", google.FRAMINGS)
def test_geminis_safety_filter_refuses(framing: str) -> None:
    found = google.objects(google.replied(google.request(framing=framing), named(REFUSES)), framing)
    (candidate,) = found[-1]["candidates"]
    assert (candidate["finishReason"], candidate["finishMessage"]) == ("SAFETY", "I won't")
    assert "content" not in candidate
    assert "candidatesTokenCount" not in found[-1]["usageMetadata"]
    assert len(found) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_local_models_refuse_in_words(stream: bool) -> None:
    reply = local.replied(local.CHAT, local.said(stream=stream), named(TALKS_FIRST))
    parts = [json.loads(line) for line in local.payload(reply).splitlines()]
    assert "".join(part["message"]["content"] for part in parts) == "Well no"
    assert parts[-1]["done_reason"] == "stop"
    for path in CHATS:
        text = local.payload(local.replied(path, local.said(stream=stream), named(REFUSES))).decode()
        assert '"refusal":"' not in text
        assert (" won't" if stream else "I won't") in text


@pytest.mark.parametrize("toml", [EMPTY, 'about = "x"\n[[steps]]\nwait_ms = 5'])
def test_a_reply_may_say_nothing(toml: str) -> None:
    assert deltas(toml) == [{"role": "assistant", "content": "", "refusal": None}, {}]
    assert message(toml)["content"] == ""
    assert response(toml)["output"][0]["content"][0]["text"] == ""
    for framing in google.FRAMINGS:
        (only,) = google.objects(google.replied(google.request(framing=framing), named(toml)), framing)
        assert only["candidates"] == [{"content": {"role": "model"}, "finishReason": "STOP", "index": 0}]
    (line,) = local.lines(local.replied(local.CHAT, local.said(), named(toml)))
    assert (line["message"], line["done"]) == ({"role": "assistant", "content": ""}, True)
    for path in CHATS:
        answer = openai.whole(local.replied(path, local.said(), named(toml)))
        assert (answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"]) == ("", 0)


@pytest.mark.parametrize("name", ["content-filter", "blocked"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_local_server_says_that_it_has_no_filter_and_who_has(
    name: str, stream: bool, scripts: dict[str, Script]
) -> None:
    for path in (local.CHAT, *CHATS):
        reply = local.replied(path, local.said(f"scenario {name}", stream=stream), scripts)
        error = openai.whole(reply)["error"]
        text = error["message"] if isinstance(error, dict) else error
        assert reply.status == 400
        assert f"The script '{name}' has" in text
        assert text.endswith("OpenAI (chat completions and responses) and Gemini can.")
    embedded = {"model": "nomic-embed-text", "input": f"scenario {name}"}
    assert local.replied("/api/embed", embedded, scripts).status == 200


PARALLEL: Final = [{"city": "Lima", "unit": "celsius"}, {"city": "Cairo", "unit": "celsius"}]


def test_parallel_calls_have_ids_of_their_own(scripts: dict[str, Script]) -> None:
    called = openai.whole(openai.replied(openai.chat("scenario parallel-tools"), scripts))["choices"][0]
    calls = called["message"]["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == PARALLEL
    assert len({call["id"] for call in calls}) == 2
    assert (called["finish_reason"], called["message"]["content"]) == ("tool_calls", None)
    body = {"model": "gpt-4o", "input": "scenario parallel-tools"}
    items = openai.whole(openai.replied(body, scripts, openai.RESPONSES))["output"]
    assert [json.loads(item["arguments"]) for item in items] == PARALLEL
    assert len({item["call_id"] for item in items}) == 2
    sent = google.request("scenario parallel-tools", google.WHOLE)
    (found,) = google.objects(google.replied(sent, scripts), google.WHOLE)
    parts = found["candidates"][0]["content"]["parts"]
    assert [part["functionCall"]["args"] for part in parts] == PARALLEL
    lines = local.lines(local.replied(local.CHAT, local.said("scenario parallel-tools"), scripts))
    calls = [call for line in lines for call in line["message"].get("tool_calls", ())]
    assert [call["function"]["arguments"] for call in calls] == PARALLEL


ERRORS: Final = {  # the status; words of OpenAI's, Gemini's and the local servers' texts
    "quota": (429, "exceeded your current quota", "exceeded your current quota", ""),
    "context-length": (400, "", "The input token count exceeds", "context"),
    "model-not-found": (404, "`gpt-4o` does not exist", "models/gemini-2.5-flash is not found", "llama3.2"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_each_provider_has_its_own_words_for_an_error(name: str, scripts: dict[str, Script]) -> None:
    status, openai_words, google_words, own_words = ERRORS[name]
    reply = openai.replied(openai.chat(f"scenario {name}"), scripts)
    assert reply.status == status
    assert openai_words in openai.whole(reply)["error"]["message"]
    reply = google.replied(google.request(f"scenario {name}", google.WHOLE), scripts)
    assert openai.whole(reply)["error"]["code"] == reply.status == status
    assert google_words in openai.whole(reply)["error"]["message"]
    for path in (local.CHAT, *CHATS):
        reply = local.replied(path, local.said(f"scenario {name}"), scripts)
        answer = openai.whole(reply)["error"]
        said = answer["message"] if isinstance(answer, dict) else answer
        assert reply.status == status
        assert own_words in said.lower()


def test_a_spent_quota_is_per_day_and_llamacpp_has_a_type_for_long_prompts(scripts: dict[str, Script]) -> None:
    reply = google.replied(google.request("scenario quota", google.WHOLE), scripts)
    details = openai.whole(reply)["error"]["details"]
    assert "PerDay" in json.dumps(details)
    assert not any("RetryInfo" in detail["@type"] for detail in details)
    long = openai.whole(local.replied(CHATS[0], local.said("scenario context-length"), scripts))["error"]
    assert (long["type"], long["code"]) == ("exceed_context_size_error", 400)
