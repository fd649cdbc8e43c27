"""What each provider shows of a model's thoughts, and where it counts them."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import pytest

from chatproof.fake_providers.dialects.base import Reply
from chatproof.fake_providers.scripting.script import Script, parse_script
from tests.fake_providers import gemini_kit as google
from tests.fake_providers import local_kit as local
from tests.fake_providers import openai_kit as openai

THINKS: Final = """
about = "Thinks in two steps, then answers."
[timing]
first_token_ms = 100
inter_token_ms = 10
[[steps]]
thinking = ["Hm", ","]
[[steps]]
thinking = [" so."]
[[steps]]
tokens = ["Yes", "."]
"""
CALLS: Final = THINKS.replace('tokens = ["Yes", "."]', 'tool_call = "f"\narguments = {}\n[[steps]]\ntool_call = "g"')
USAGE: Final[dict[str, Any]] = {"stream": True, "stream_options": {"include_usage": True}}
SUMMARY: Final[dict[str, Any]] = {"reasoning": {"effort": "high", "summary": "auto"}}
SHOWN: Final[dict[str, Any]] = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}


def thinks(toml: str = THINKS) -> dict[str, Script]:
    return {"tiny": parse_script("tiny", toml)}


def asked(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-5", "input": "scenario tiny", **more}


def response(toml: str = THINKS, **more: Any) -> dict[str, Any]:
    return openai.whole(openai.replied(asked(**more), thinks(toml), openai.RESPONSES))


def gemini(framing: str, toml: str = THINKS, model: str = "", **more: Any) -> Reply:
    sent = google.request("scenario tiny", framing, **more)
    if model:
        path = f"/v1beta/models/{model}{framing.partition('?')[0]}"
        sent = type(sent)(sent.method, path, sent.query, sent.headers, sent.body, sent.json)
    return google.replied(sent, thinks(toml))


# OpenAI


def test_chat_completions_only_count_thoughts() -> None:
    whole = openai.whole(openai.replied(openai.chat("scenario tiny", n=2), thinks()))
    assert [choice["message"] for choice in whole["choices"]] == [
        {"role": "assistant", "content": "Yes.", "refusal": None, "annotations": []}
    ] * 2
    assert whole["usage"]["completion_tokens"] == 10
    assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] == 6
    reply = openai.replied(openai.chat("scenario tiny", **USAGE), thinks())
    events = [event for _, event in openai.events(reply)]
    assert "Hm" not in openai.payload(reply).decode()
    assert [choice["delta"].get("content") for event in events for choice in event["choices"]] == ["", "Yes", ".", None]
    assert events[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    # The role comes with the first token of the answer, as from the API: until then there are only headers.
    assert [round(frame.due, 3) for frame in reply.frames] == [0.13, 0.13, 0.14, 0.15]


def test_thoughts_use_up_the_limit() -> None:
    cut = openai.whole(openai.replied(openai.chat("scenario tiny", max_completion_tokens=2), thinks()))
    assert (cut["choices"][0]["finish_reason"], cut["choices"][0]["message"]["content"]) == ("length", "")
    assert cut["usage"]["completion_tokens_details"]["reasoning_tokens"] == cut["usage"]["completion_tokens"] == 2
    (only,) = google.objects(gemini(google.WHOLE, generationConfig={"maxOutputTokens": 2}), google.WHOLE)
    assert only["candidates"] == [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]
    assert only["usageMetadata"]["thoughtsTokenCount"] == 2
    ended = local.lines(local.replied(local.CHAT, local.said(options={"num_predict": 2}), thinks()))[-1]
    assert (ended["done_reason"], ended["eval_count"]) == ("length", 2)


def test_a_response_is_incomplete_when_thoughts_use_up_its_tokens() -> None:
    long = THINKS.replace('["Hm", ","]', '["Hm"]\nrepeat = 20')
    cut = response(long, max_output_tokens=16, **SUMMARY)
    assert (cut["status"], cut["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert [item["type"] for item in cut["output"]] == ["reasoning"]
    assert cut["usage"]["output_tokens_details"] == {"reasoning_tokens": 16}


def test_a_response_summarizes_thoughts_only_when_asked() -> None:
    assert [item["type"] for item in response()["output"]] == ["reasoning", "message"]
    plain, shown = response()["output"][0], response(**SUMMARY)["output"][0]
    assert plain == {"id": plain["id"], "type": "reasoning", "summary": []}
    assert shown["summary"] == [{"type": "summary_text", "text": "Hm,"}, {"type": "summary_text", "text": " so."}]
    assert shown["id"].startswith("rs_")
    assert response(**SUMMARY)["usage"]["output_tokens_details"] == {"reasoning_tokens": 3}
    assert response(**SUMMARY)["usage"]["output_tokens"] == 5


def test_a_response_has_encrypted_reasoning_only_when_asked() -> None:
    body = asked(stream=True, include=["reasoning.encrypted_content"], store=False)
    events = openai.events(openai.replied(body, thinks(), openai.RESPONSES))
    added, done = (
        next(event["item"] for name, event in events if name == f"response.output_item.{when}")
        for when in ("added", "done")
    )
    assert base64.urlsafe_b64decode(done["encrypted_content"])[0] == 0x80
    # The first one is not the whole: a client must keep the other.
    assert done["encrypted_content"].startswith(added["encrypted_content"])
    assert len(done["encrypted_content"]) > len(added["encrypted_content"])
    assert events[-1][1]["response"]["output"][0] == done
    assert "encrypted_content" not in json.dumps(response())


@pytest.mark.parametrize("more", [{}, SUMMARY, {**SUMMARY, "include": ["reasoning.encrypted_content"]}])
@pytest.mark.parametrize("toml", [THINKS, CALLS])
def test_the_events_of_a_response_are_numbered_and_say_what_the_whole_says(toml: str, more: dict[str, Any]) -> None:
    events = openai.events(openai.replied(asked(stream=True, **more), thinks(toml), openai.RESPONSES))
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
    whole = openai.without_ids(response(toml, **more))
    assert openai.without_ids(events[-1][1]["response"]) == whole
    done = [event["item"] for name, event in events if name == "response.output_item.done"]
    assert openai.without_ids(done) == whole["output"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"reasoning": {"effort": "hard"}}, ("reasoning.effort", "invalid_value")),
        ({"reasoning": {"summary": True}}, ("reasoning.summary", "invalid_type")),
        ({"include": ["reasoning"]}, ("include[0]", "invalid_value")),
    ],
)
def test_bad_wishes_about_reasoning_are_refused(more: dict[str, Any], problem: tuple[str, str]) -> None:
    error = openai.refused(asked(**more), openai.RESPONSES)
    assert (error["param"], error["code"]) == problem


def test_reasoning_is_sent_back_with_what_followed_it() -> None:
    thought, message = response()["output"]
    user = {"role": "user", "content": "Hi"}
    for good in ([user, thought, message, user], [user, thought, thought, message], [thought, message]):
        openai.asked(asked(input=good), thinks(), openai.RESPONSES)
    for bad in ([user, thought], [user, thought, user], [thought, thought]):
        error = openai.refused(asked(input=bad), openai.RESPONSES)
        assert error["message"].startswith(f"Item '{thought['id']}' of type 'reasoning' was provided without its")
    bare = {"type": "reasoning", "id": "rs_1"}
    assert openai.refused(asked(input=[bare, message]), openai.RESPONSES)["param"] == "input[0].summary"
    encrypted = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    openai.asked(asked(input=[encrypted, message]), thinks(), openai.RESPONSES)


# Gemini


@pytest.mark.parametrize("framing", google.FRAMINGS)
def test_gemini_shows_thoughts_when_asked_and_counts_them_always(framing: str) -> None:
    shown = google.objects(gemini(framing, **SHOWN), framing)
    parts = [part for one in shown for part in one["candidates"][0]["content"]["parts"]]
    assert "".join(part["text"] for part in parts if part.get("thought")) == "Hm, so."
    assert "".join(part["text"] for part in parts if not part.get("thought")) == "Yes."
    usage = shown[-1]["usageMetadata"]
    assert (usage["thoughtsTokenCount"], usage["candidatesTokenCount"]) == (3, 2)
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + 5
    hidden = gemini(framing)
    assert 'thought"' not in google.payload(hidden).decode()
    assert google.objects(hidden, framing)[-1]["usageMetadata"] == usage
    none = gemini(framing, generationConfig={"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": True}})
    assert "thought" not in google.payload(none).decode()


def test_gemini_streams_thoughts_in_golden_bytes() -> None:
    usage = '"usageMetadata": {"promptTokenCount": %d,%s"totalTokenCount": %d,"promptTokensDetails": %s%s}'
    found = google.objects(gemini(google.SSE, **SHOWN), google.SSE)
    heard = found[0]["usageMetadata"]["promptTokenCount"]
    details = f'[{{"modality": "TEXT","tokenCount": {heard}}}]'
    rest = f'"modelVersion": "gemini-2.5-flash","responseId": "{found[0]["responseId"]}"'
    frames = [frame.payload.decode() for frame in gemini(google.SSE, **SHOWN).frames]

    def event(part: str, end: str, said: int, thoughts: int) -> str:
        count = f'"candidatesTokenCount": {said},' if said else ""
        counted = usage % (heard, count, heard + said + thoughts, details, f',"thoughtsTokenCount": {thoughts}')
        content = f'"content": {{"parts": [{{{part}}}],"role": "model"}}'
        return f'data: {{"candidates": [{{{content},{end}"index": 0}}],{counted},{rest}}}\r\n\r\n'

    signature = found[-1]["candidates"][0]["content"]["parts"][0]["thoughtSignature"]
    assert frames == [
        event('"text": "Hm","thought": true', "", 0, 1),
        event('"text": ",","thought": true', "", 0, 2),
        event('"text": " so.","thought": true', "", 0, 3),
        event('"text": "Yes"', "", 1, 3),
        event('"text": "."', "", 2, 3),
        event(f'"text": "","thoughtSignature": "{signature}"', '"finishReason": "STOP",', 2, 3),
    ]


@pytest.mark.parametrize("framing", google.FRAMINGS)
def test_gemini_signs_the_first_call_or_the_last_text(framing: str) -> None:
    def signed(reply: Reply) -> list[bool]:
        found = google.objects(reply, framing)
        parts = [part for one in found for part in one["candidates"][0]["content"].get("parts", ())]
        return ["thoughtSignature" in part for part in parts if part.get("text") != "" or "thoughtSignature" in part]

    assert signed(gemini(framing, CALLS)) == [True, False]
    text = signed(gemini(framing))
    assert (text[-1], sum(text)) == (True, 1)
    plain = 'about = "x"\n[[steps]]\ntool_call = "f"'
    assert signed(gemini(framing, plain)) == [False]
    assert signed(gemini(framing, plain, "gemini-3-flash-preview")) == [True]
    whole = google.payload(gemini(framing, CALLS)).decode()
    signature = json.loads(whole[whole.index('"thoughtSignature": ') + 20 :].split("}")[0].split("\n")[0])
    assert len(base64.b64decode(signature, validate=True)) == 96


# local servers


def test_ollama_thinks_unless_told_not_to() -> None:
    for think in (True, "high", None):
        found = local.lines(local.replied(local.CHAT, local.said(think=think), thinks()))
        assert [one["message"].get("thinking") for one in found] == ["Hm", ",", " so.", None, None, None]
        assert [one["message"]["content"] for one in found] == ["", "", "", "Yes", ".", ""]
        assert found[-1]["eval_count"] == 5
        whole = openai.whole(local.replied(local.CHAT, local.said(think=think, stream=False), thinks()))
        assert whole["message"] == {"role": "assistant", "content": "Yes.", "thinking": "Hm, so."}
    off = local.replied(local.CHAT, local.said(think=False), thinks())
    assert [one["message"]["content"] for one in local.lines(off)] == ["Yes", ".", ""]
    assert local.lines(off)[-1]["eval_count"] == 2
    generated = local.lines(local.replied(local.GENERATE, local.prompted(think=True), thinks()))
    assert [(one["response"], one.get("thinking")) for one in generated[:4]] == [
        ("", "Hm"),
        ("", ","),
        ("", " so."),
        ("Yes", None),
    ]


FIELDS: Final = {
    "vllm": ({"reasoning": "Hm"}, "reasoning", True),
    "llamacpp": ({"reasoning_content": "Hm"}, "reasoning_content", False),
    "lmstudio": ({"role": "assistant", "reasoning_content": "Hm"}, "reasoning_content", True),
    "ollama": ({"role": "assistant", "content": "", "reasoning": "Hm"}, "reasoning", False),
}


@pytest.mark.parametrize("product", local.PRODUCTS)
def test_each_product_has_its_field_for_thoughts(product: str) -> None:
    first, field, counted = FIELDS[product]
    path = f"/{product}/v1/chat/completions"
    *found, usage, done = local.events(local.replied(path, local.said("scenario tiny", **USAGE), thinks()))
    deltas = [choice["delta"] for event in found for choice in event["choices"]]
    thoughts = [delta for delta in deltas if field in delta]
    assert (thoughts[0], done) == (first, "[DONE]")
    assert "".join(delta[field] for delta in thoughts) == "Hm, so."
    assert "".join(delta.get("content") or "" for delta in deltas) == "Yes."
    whole = openai.whole(local.replied(path, local.said("scenario tiny"), thinks()))
    assert (whole["choices"][0]["message"]["content"], whole["choices"][0]["message"][field]) == ("Yes.", "Hm, so.")
    for one in (usage["usage"], whole["usage"]):
        assert one["completion_tokens"] == 5
        assert one.get("completion_tokens_details") == ({"reasoning_tokens": 3} if counted else None)


def test_lm_studio_names_gpt_oss_thoughts_like_openai() -> None:
    body = {**local.said("scenario tiny"), "model": "openai/gpt-oss-20b"}
    whole = openai.whole(local.replied("/lmstudio/v1/chat/completions", body, thinks()))
    assert whole["choices"][0]["message"]["reasoning"] == "Hm, so."


@pytest.mark.parametrize("product", local.PRODUCTS)
@pytest.mark.parametrize(
    "off",
    [{"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False}}],
    ids=lambda off: next(iter(off)),
)
def test_a_request_can_turn_thinking_off(product: str, off: dict[str, Any]) -> None:
    for more in (off, {**off, "stream": True}):
        reply = local.replied(f"/{product}/v1/chat/completions", local.said("scenario tiny", **more), thinks())
        assert "Hm" not in local.payload(reply).decode()
    whole = openai.whole(local.replied(f"/{product}/v1/chat/completions", local.said("scenario tiny", **off), thinks()))
    assert whole["usage"]["completion_tokens"] == 2


def test_effort_none_turns_thinking_off_at_openai() -> None:
    chat = openai.whole(openai.replied(openai.chat("scenario tiny", reasoning_effort="none"), thinks()))
    assert chat["usage"]["completion_tokens"] == 2
    assert [item["type"] for item in response(reasoning={"effort": "none"})["output"]] == ["message"]


def test_vllm_can_hide_thoughts_and_counts_them_all_the_same() -> None:
    body = local.said("scenario tiny", include_reasoning=False)
    whole = openai.whole(local.replied("/vllm/v1/chat/completions", body, thinks()))
    assert whole["choices"][0]["message"]["reasoning"] is None
    assert whole["usage"]["completion_tokens"] == 5


@pytest.mark.parametrize("product", local.PRODUCTS)
def test_local_responses_show_thoughts_without_being_asked(product: str) -> None:
    reply = local.replied(f"/{product}/v1/responses", {**asked(stream=True), "model": "qwen3:8b"}, thinks())
    events = openai.events(reply)
    kinds = [name for name, _ in events]
    (item, _) = events[-1][1]["response"]["output"]
    if product == "ollama":
        assert [part["text"] for part in item["summary"]] == ["Hm,", " so."]
        assert "response.reasoning_summary_text.delta" in kinds
    else:
        assert item["content"] == [{"type": "reasoning_text", "text": "Hm, so."}]
        deltas = ["response.reasoning_text.delta"] * 3
        assert kinds[3:8] == ["response.reasoning_part.added", *deltas, "response.reasoning_text.done"]
    whole = openai.whole(local.replied(f"/{product}/v1/responses", {**asked(), "model": "qwen3:8b"}, thinks()))
    assert openai.without_ids(whole["output"]) == openai.without_ids(events[-1][1]["response"]["output"])
