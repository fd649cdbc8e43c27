"""Gemini's dialect: the bytes of what it answers, whole, as events and as a streamed array."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.fake_providers.dialects.base import TimedFrame
from chatproof.fake_providers.dialects.openai.reply import Whole
from chatproof.fake_providers.dialects.schedule import play
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.http_writes import plan_writes
from chatproof.fake_providers.scripting.script import Script
from tests.fake_providers.gemini_kit import (
    ARRAY,
    FRAMINGS,
    KEY,
    SSE,
    WHOLE,
    objects,
    payload,
    replied,
    request,
    script,
)

EVENT = (
    'data: {"candidates": [{"content": {"parts": [{"text": "%s"}],"role": "model"},%s"index": 0}],'
    '"usageMetadata": {"promptTokenCount": 8,"candidatesTokenCount": %d,"totalTokenCount": %d,'
    '"promptTokensDetails": [{"modality": "TEXT","tokenCount": 8}]},'
    '"modelVersion": "gemini-2.5-flash","responseId": "FbhWAJwJ97bpflqvpUHRofE"}\r\n\r\n'
)
OBJECT = """{
  "candidates": [
    {
      "content": {
        "parts": [
          {
            "text": "%s"
          }
        ],
        "role": "model"
      },%s
      "index": 0
    }
  ],
  "usageMetadata": {
    "promptTokenCount": 8,
    "candidatesTokenCount": %d,
    "totalTokenCount": %d,
    "promptTokensDetails": [
      {
        "modality": "TEXT",
        "tokenCount": 8
      }
    ]
  },
  "modelVersion": "gemini-2.5-flash",
  "responseId": "FbhWAJwJ97bpflqvpUHRofE"
}
"""


def test_events_have_golden_bytes() -> None:
    reply = replied(request())
    assert payload(reply).decode() == (
        EVENT % ("Où", "", 1, 9)
        + EVENT % (" \\u003clà\\u003e\\u2028", "", 2, 10)
        + EVENT % ("", '"finishReason": "STOP",', 2, 10)
    )
    assert reply.headers[0] == ("content-type", "text/event-stream")
    assert reply.chunked


def test_an_array_has_golden_bytes() -> None:
    reply = replied(request(framing=ARRAY))
    assert [frame.payload.decode() for frame in reply.frames] == [
        "[" + OBJECT % ("Où", "", 1, 9),
        ",\r\n" + OBJECT % (" \\u003clà\\u003e\\u2028", "", 2, 10),
        ",\r\n" + OBJECT % ("", '\n      "finishReason": "STOP",', 2, 10) + "]",
    ]
    assert reply.headers[0] == ("content-type", "application/json; charset=UTF-8")
    assert reply.chunked


def test_a_whole_reply_has_golden_bytes() -> None:
    reply = replied(request(framing=WHOLE))
    text = "Où \\u003clà\\u003e\\u2028"
    expected = OBJECT % (text, '\n      "finishReason": "STOP",', 2, 10)
    assert payload(reply).decode() == expected.replace("FbhWAJwJ97bpflqvpUHRofE", "RlvMhd60CcFrgQtaEMWpjfC")
    assert reply.headers[0] == ("content-type", "application/json; charset=UTF-8")
    assert not reply.chunked


@pytest.mark.parametrize("framing", FRAMINGS)
def test_equal_requests_have_equal_bytes_and_others_other_ids(framing: str) -> None:
    def answer(text: str, seed: int) -> bytes:
        return payload(replied(request(text, framing), script(top=f"seed = {seed}")))

    same = answer("scenario tiny", 1)
    assert same == answer("scenario tiny", 1)
    assert len({same, answer("scenario tiny", 2), answer("scenario tiny!", 1)}) == 3


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", ["nasty", "unicode", "hundred-tokens", "three-tokens"])
def test_every_framing_says_the_same(name: str, framing: str, scripts: dict[str, Script]) -> None:
    reply = replied(request(f"scenario {name}", framing), scripts)
    said = "".join(o["candidates"][0]["content"]["parts"][0]["text"] for o in objects(reply, framing))
    assert said == scripts[name].text == "".join(frame.text for frame in reply.frames)
    count = play(scripts[name], Whole(), vocabulary="cl100k").tokens
    assert sum(frame.tokens for frame in reply.frames) == count
    assert objects(reply, framing)[-1]["usageMetadata"]["candidatesTokenCount"] == count
    assert not set("\u2028\u2029\x85") & set(payload(reply).decode())


def test_ascii_scripts_escape_the_rest() -> None:
    data = payload(replied(request(), script(top="ascii = true")))
    assert data.isascii()
    assert rb'{"text": " \u003cl\u00e0\u003e\u2028"}' in data


def test_private_characters_of_a_script_stay_what_they_are() -> None:
    marks = "\ue000\ue001\ue002"
    scripts = script(f"[[steps]]\ntokens = {json.dumps([*marks, marks])}")
    texts = [o["candidates"][0]["content"]["parts"][0]["text"] for o in objects(replied(request(), scripts), SSE)]
    assert texts == [*marks, marks, ""]


@pytest.mark.parametrize("framing", [SSE, ARRAY])
@pytest.mark.parametrize("model", ["m", "gemini-2.5-flash", "gemini-2.5-pro", "abcde", "abcdefgh", "abcdefghi"])
def test_split_bytes_cuts_inside_characters(model: str, framing: str, scripts: dict[str, Script]) -> None:
    sent = as_request("POST", f"/v1/models/{model}{framing}", KEY, request("scenario split-bytes").body)
    pieces = [
        write.payload.split(b"\r\n", 1)[1][:-2]
        for write in plan_writes(replied(sent, scripts), True, True).writes[1:-2]
    ]
    broken = 0
    for piece in pieces:
        try:
            piece.decode()
        except UnicodeDecodeError:
            broken += 1
    assert broken >= 2


@pytest.mark.parametrize("framing", [SSE, ARRAY])
def test_no_frame_is_empty(framing: str, scripts: dict[str, Script]) -> None:
    for name in scripts:
        assert all(frame.payload for frame in replied(request(f"scenario {name}", framing), scripts).frames)


# what ends a reply


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("top", "config", "reason"),
    [
        ("", {}, "STOP"),
        ('finish_reason = "length"', {}, "MAX_TOKENS"),
        ("", {"maxOutputTokens": 1}, "MAX_TOKENS"),
        ("", {"max_output_tokens": "2"}, "STOP"),
        ('finish_reason = "tool_calls"', {}, "STOP"),
    ],
)
def test_the_last_object_says_why_it_is_the_last(top: str, config: dict[str, Any], reason: str, framing: str) -> None:
    found = objects(replied(request(framing=framing, generationConfig=config), script(top=top)), framing)
    assert found[-1]["candidates"][0]["finishReason"] == reason
    assert not any("finishReason" in o["candidates"][0] for o in found[:-1])
    said = 1 if config.get("maxOutputTokens") == 1 else 2
    assert found[-1]["usageMetadata"]["candidatesTokenCount"] == said


@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_the_safety_filter_stops_comes_without_content(framing: str) -> None:
    found = objects(replied(request(framing=framing), script(top='finish_reason = "content_filter"')), framing)
    (candidate,) = found[-1]["candidates"]
    assert list(candidate) == ["finishReason", "index", "safetyRatings"]
    assert candidate["finishReason"] == "SAFETY"
    assert [rating for rating in candidate["safetyRatings"] if rating.get("blocked")] == [
        {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
    ]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT"])
def test_a_blocked_prompt_has_feedback_and_no_candidates(reason: str, framing: str) -> None:
    reply = replied(request(framing=framing), script("", f'blocked = "{reason}"'))
    (only,) = objects(reply, framing)
    assert list(only) == ["promptFeedback", "usageMetadata", "modelVersion", "responseId"]
    assert only["promptFeedback"]["blockReason"] == reason
    assert only["usageMetadata"]["promptTokenCount"] == only["usageMetadata"]["totalTokenCount"] == 8
    assert (reply.status, reply.faulted) == (200, False)


CALLS = """[[steps]]
text = "Look:"
[[steps]]
tool_call = "get_weather"
arguments = { city = "Paris", days = 2 }
[[steps]]
tool_call = "stop"
"""


@pytest.mark.parametrize("framing", FRAMINGS)
def test_calls_come_whole_with_their_arguments_as_an_object(framing: str) -> None:
    found = objects(replied(request(framing=framing), script(CALLS)), framing)
    parts = [part for o in found for part in o["candidates"][0]["content"]["parts"]]
    assert [part for part in parts if "functionCall" in part] == [
        {"functionCall": {"name": "get_weather", "args": {"city": "Paris", "days": 2}}},
        {"functionCall": {"name": "stop", "args": {}}},
    ]
    last = found[-1]["candidates"][0]
    assert (last["finishReason"], last["finishMessage"]) == ("STOP", "Model generated function call(s).")
    scripted = script(CALLS)["tiny"]
    assert found[-1]["usageMetadata"]["candidatesTokenCount"] > len(scripted.tokens)


def test_a_call_has_golden_bytes() -> None:
    reply = replied(request(), script('[[steps]]\ntool_call = "f"\narguments = { b = 1, a = "<é>" }'))
    assert payload(reply).startswith(
        'data: {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f",'
        '"args": {"a": "\\u003cé\\u003e","b": 1}}}],"role": "model"},"index": 0}],'.encode()
    )


@pytest.mark.parametrize("framing", FRAMINGS)
def test_each_candidate_has_its_index_and_the_tokens_of_all_count(framing: str) -> None:
    found = objects(replied(request(framing=framing, generationConfig={"candidateCount": 3})), framing)
    assert all([c["index"] for c in o["candidates"]] == [0, 1, 2] for o in found)
    assert found[-1]["usageMetadata"]["candidatesTokenCount"] == 6


def test_frames_are_due_when_the_script_says(scripts: dict[str, Script]) -> None:
    frames = replied(request("scenario pairs"), scripts).frames
    expected = replied(request("scenario pairs", ARRAY), scripts).frames
    assert [frame.due for frame in frames] == [frame.due for frame in expected]
    assert isinstance(frames[0], TimedFrame)
    assert frames[1].due - frames[0].due == pytest.approx(0.03)
