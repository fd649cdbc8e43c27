"""What Anthropic's API refuses, in its own words: of every model, and of one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_providers.anthropic_kit import COUNT, THINKS, asked, problem, replied, talk

CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "20"}
TOOL: dict[str, Any] = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
OPUS = "claude-opus-5"
FABLE = "claude-fable-5-2"

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"model": "m", "messages": []}, "max_tokens: Field required"),
    (asked(messages=[]), "messages: at least one message is required"),
    (asked(foo=1), "foo: Extra inputs are not permitted"),
    (asked(max_tokens="5"), "max_tokens: Input should be a valid integer"),
    (asked(max_tokens=-1), "max_tokens: Input should be greater than or equal to 0"),
    (asked(temperature=1.5), "temperature: Input should be less than or equal to 1"),
    (asked(system=5), "system: Input should be a valid list"),
    (asked(stream="yes"), "stream: Input should be a valid boolean"),
    (asked(stop_sequences=["\n"]), "stop_sequences: each stop sequence must contain non-whitespace"),
    (
        asked(messages=[{"role": "tool", "content": "x"}]),
        "messages.0.role: Input should be 'user', 'assistant' or",
    ),
    (talk(""), "messages.0: user messages must have non-empty content"),
    (talk("  "), "messages: text content blocks must contain non-whitespace text"),
    (talk("Hi", "", "Hi"), "messages.1: all messages must have non-empty content except for the optional final"),
    (talk("Hi", "Hm "), "messages: final assistant content cannot end with trailing whitespace"),
    (talk([{"type": "txt"}]), "messages.0.content.0: Input tag 'txt' found using 'type' does not match any of the"),
    (talk([{"type": "text"}]), "messages.0.content.0.text.text: Field required"),
    (talk([CALL]), "messages.0: `tool_use` blocks can only be in `assistant` messages"),
    (talk("Hi", [CALL], "Hm"), "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after"),
    (
        talk("Hi", "Hm", [RESULT]),
        "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks:",
    ),
    (
        talk([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "?"}}]),
        "messages.0.content.0.image.source.base64.data: invalid base64 data",
    ),
    (asked(tools=[{"name": "f"}]), "tools.0.custom.input_schema: Field required"),
    (
        asked(tools=[{**TOOL, "name": "a b"}]),
        "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]",
    ),
    (asked(tools=[TOOL, TOOL]), "tools: Tool names must be unique."),
    (asked(tool_choice={"type": "any"}), "tool_choice: tool_choice may only be specified while providing tools"),
    (asked(tools=[TOOL], tool_choice={"type": "tool", "name": "g"}), "Tool 'g' not found in provided tools"),
    (asked(tools=[TOOL], tool_choice={"type": "x"}), "tool_choice: Input tag 'x' found using 'type' does not match"),
    (asked(thinking={"type": "enabled"}), "thinking.enabled.budget_tokens: Field required"),
    (asked(thinking={**THINKS, "budget_tokens": 9}), "thinking.enabled.budget_tokens: Input should be greater than or"),
    (asked(thinking=THINKS, max_tokens=1_024), "`max_tokens` must be greater than `thinking.budget_tokens`."),
    (asked(thinking=THINKS, temperature=0), "`temperature` may only be set to 1 when thinking is enabled."),
    (asked(thinking=THINKS, tools=[TOOL], tool_choice={"type": "any"}), "Thinking may not be enabled when tool_choice"),
    (
        talk("Hi", [CALL], [RESULT], thinking=THINKS, tools=[TOOL]),
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
    ),
    (
        asked(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
        "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
    ),
    (
        asked(output_config={"format": {"type": "json_schema", "schema": {"type": "integer", "minimum": 1}}}),
        "output_config.format.schema: For 'integer' type, property 'minimum' is not supported",
    ),
    (
        asked(system=[{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
]
"""Of every model, also by lenient fakes."""

OF_MODELS: list[tuple[dict[str, Any], str]] = [
    (asked(max_tokens=64_001), "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for"),
    (asked(temperature=0.5, top_p=0.5), "`temperature` and `top_p` cannot both be specified for this model."),
    (asked(thinking={"type": "adaptive"}), "adaptive thinking is not supported on this model"),
    (asked(output_config={"effort": "low"}), "This model does not support the effort parameter."),
    (
        asked(messages=[{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]),
        "messages: Unexpected",
    ),
    (asked(model=OPUS, temperature=0.5), "`temperature` is deprecated for this model."),
    (asked(model=OPUS, thinking=THINKS), '"thinking.type.enabled" is not supported for this model. Use'),
    (talk("Hi", "Hm", model=OPUS), "This model does not support assistant message prefill."),
    (
        asked(model=FABLE, thinking={"type": "disabled"}),
        '"thinking.type.disabled" is not supported for this model. Use',
    ),
    (
        asked(model=FABLE, tools=[TOOL], tool_choice={"type": "any"}),
        'tool_choice: type "tool" and "any" are not',
    ),
    (
        asked(model=OPUS, thinking={"type": "disabled"}, output_config={"effort": "max"}),
        '"thinking.type.disabled" is not supported with "output_config.effort" "max".',
    ),
    (
        talk("Hi", [{"type": "thinking", "thinking": "Hm", "signature": "c2ln"}, {"type": "text", "text": "a"}], "Hi"),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (asked(" Hi" * 200_100), "prompt is too long: 2"),
]
"""Of one model, by strict fakes only."""


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_what_no_model_takes(body: dict[str, Any], message: str) -> None:
    for strict in (False, True):
        assert problem(body, strict=strict).startswith(message)


@pytest.mark.parametrize(("body", "message"), OF_MODELS)
def test_what_this_model_does_not_take(body: dict[str, Any], message: str) -> None:
    assert problem(body).startswith(message)
    assert replied(body, strict=False).status == 200


@pytest.mark.parametrize(
    "body",
    [
        asked(max_tokens=0),
        asked(temperature=None, tools=None, thinking=None),
        asked(model=OPUS, temperature=1, top_p=0.99),
        asked(model=OPUS, messages=[{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]),
        asked(model="claude-sonnet-5-5", thinking={"type": "between_tools"}),
        asked(tools=[{"type": "web_search_20250305", "name": "web_search"}, TOOL]),
        asked(tools=[{**TOOL, "type": "custom", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
        talk("Hi", "I think"),
        talk("Hi", [CALL], [RESULT], tools=[TOOL]),
        talk([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}]),
        asked(messages=[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]),
    ],
)
def test_what_is_taken(body: dict[str, Any]) -> None:
    assert replied(body).status == 200


def test_thoughts_come_back_as_they_went() -> None:
    said = replied(asked("scenario reasoning", thinking=THINKS)).json["content"]
    assert replied(talk("Hi", said, "And now?", thinking=THINKS)).status == 200
    changed = [{**said[0], "thinking": "Changed"}, *said[1:]]
    assert "Invalid `signature`" in problem(talk("Hi", changed, "And now?", thinking=THINKS))
    hidden = [{**said[0], "thinking": ""}, *said[1:]]
    assert replied(talk("Hi", hidden, "And now?", thinking=THINKS)).status == 200


def test_counting_takes_what_a_message_takes_but_its_own_parameters() -> None:
    assert problem(asked(), path=COUNT) == "max_tokens: Extra inputs are not permitted"
