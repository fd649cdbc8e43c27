"""What is understood of providers' answers, whatever the pieces they come in."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.fake_providers.record.reply_decoder import Form, ValueDecoder, parser_for
from chatproof.fake_providers.record.script_writer import Recording
from chatproof.fake_providers.scripting.script import Fail, parse_script
from chatproof.harness.common.redaction import without_secrets

CHAT = "/v1/chat/completions"


def heard(path: str, form: Form, *bodies: str, cut: int = 1) -> str:
    """The script that a body makes, fed in pieces of `cut` bytes."""
    recording = Recording("x")
    listener = parser_for(path)
    assert listener is not None
    kinds = {"events": "text/event-stream", "lines": "application/x-ndjson"}
    recording.begin(200, {"content-type": kinds.get(form, "application/json")}, listener, path, "")
    data = "".join(bodies).encode()
    for start in range(0, len(data), cut):
        recording.feed(data[start : start + cut], start / 1000)
    recording.feed(b"", 9.0, final=True)
    return recording.toml("complete", 9.0)


GEMINI = '{"candidates":[{"content":{"parts":[{"text":"Grü"}]}}]}'
GEMINI_CALL = (
    '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}}}]},"finishReason":"STOP"}]}'
)


@pytest.mark.parametrize(
    ("path", "form", "bodies", "expected"),
    [
        (
            "/v1beta/models/g:streamGenerateContent",
            "events",
            [f"data: {GEMINI}\r\n\r\n", f"data: {GEMINI_CALL}\r\n\r\n"],
            ['"Grü"', 'tool_call = "f"', r'arguments = "{\"a\":1}"'],
        ),
        ("/v1/models/g:streamGenerateContent", "array", [f"[{GEMINI}\n,\r\n", GEMINI_CALL, "]\n"], ['"Grü"', '"f"']),
        ("/v1/models/g:generateContent", "whole", [GEMINI_CALL], ['tool_call = "f"']),
        (
            "/v1/models/g:generateContent",
            "whole",
            ['{"promptFeedback":{"blockReason":"SAFETY"}}'],
            ['blocked = "SAFETY"'],
        ),
        (
            "/api/chat",
            "lines",
            [
                '{"message":{"role":"assistant","content":"é"},"done":false}\n',
                '{"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{}}}]},"done":false}\n',
                '{"message":{"content":""},"done":true,"done_reason":"length"}\n',
            ],
            ['"é"', 'tool_call = "f"', 'finish_reason = "length"'],
        ),
        (
            CHAT,
            "events",
            [
                'data: {"choices":[{"delta":{"reasoning_content":"Hm"}}]}\n\n',
                'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n',
                'data: {"choices":[{"delta":{"refusal":"no"}}]}\n\n',
                'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
            ],
            ['thinking = [\n  "Hm",\n]', 'tokens = [\n  "Hi",\n]', 'refusal = [\n  "no",\n]'],
        ),
        (
            CHAT,
            "whole",
            [
                '{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],'
                '"usage":{"completion_tokens_details":{"reasoning_tokens":7}}}'
            ],
            ['thinking = "."\nrepeat = 7\ninter_token_ms = 0\n\n[[steps]]\nwait_ms = 0\n', '"Hi"'],
        ),
        (
            "/v1/responses",
            "whole",
            [
                '{"object":"response","output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"One"},'
                '{"type":"summary_text","text":"Two"}]},{"type":"message","content":[{"type":"refusal","refusal":"no"}]}],'
                '"usage":{"output_tokens_details":{"reasoning_tokens":9}}}'
            ],
            ['thinking = [\n  "One",\n]\n\n[[steps]]\nthinking = [\n  "Two",\n]', 'refusal = [\n  "no",\n]'],
        ),
        (
            "/v1/models/g:generateContent",
            "whole",
            [
                '{"candidates":[{"content":{"parts":[{"text":"Yes","thought":true},{"text":"Hi"}]},"finishReason":"STOP"}],'
                '"usageMetadata":{"thoughtsTokenCount":1}}'
            ],
            ['thinking = [\n  "Yes",\n]', 'tokens = [\n  "Hi",\n]'],
        ),
        ("/api/generate", "whole", ['{"response":"Hi","thinking":"Yes","done":true}'], ['thinking = [\n  "Yes",\n]']),
        ("/api/generate", "whole", ['{"response":"Hi","done":true,"done_reason":"stop"}'], ['"Hi"']),
        ("/api/generate", "lines", ['{"response":"Hi","done":false}\n', '{"error":"no"}\n'], ['"error"', '"no"']),
        (
            "/v1/responses",
            "events",
            [
                'event: x\ndata: {"type":"response.output_text.delta","delta":"Hi"}\n\n',
                'data: {"type":"response.output_item.added","output_index":1,"item":{"type":"function_call",'
                '"name":"f"}}\n\n',
                'data: {"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\\"a\\":"}\n\n',
                'data: {"type":"response.function_call_arguments.delta","output_index":1,"delta":"2}"}\n\n',
                'data: {"type":"response.incomplete","response":{"incomplete_details":'
                '{"reason":"max_output_tokens"}}}\n\n',
            ],
            ['"Hi"', 'tool_call = "f"', r'"{\"a\":2}"', 'finish_reason = "length"'],
        ),
        (
            "/v1/responses",
            "whole",
            ['{"object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}]}'],
            ['"Hi"'],
        ),
    ],
)
@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_every_provider_is_understood(path: str, form: Form, bodies: list[str], expected: list[str], cut: int) -> None:
    toml = heard(path, form, *bodies, cut=cut)
    for part in expected:
        assert part in toml, toml
    assert '"close"' not in toml


def test_what_is_no_json_is_malformed_and_never_raises() -> None:
    assert isinstance(ValueDecoder("lines").feed(b"{\n")[0], ValueError)
    listener = parser_for(CHAT)
    assert listener is not None
    values: tuple[Any, ...] = (
        None,
        3,
        [],
        {"choices": 3},
        {"choices": [None]},
        {"choices": [{"delta": {"tool_calls": [1]}}]},
    )
    for value in values:
        listener.hear(value)


def test_a_whole_answer_that_broke_off_keeps_the_text_that_came() -> None:
    recording = Recording("x")
    listener = parser_for(CHAT)
    assert listener is not None
    recording.begin(200, {"content-type": "application/json"}, listener, CHAT, "")
    recording.feed(b'{"choices":[{"message":{"role":"assistant","content":"Half \\"a\\" wor', 0.5)
    script = parse_script("x", recording.toml("cut", 0.7))
    assert (script.text, script.steps[-1]) == ('Half "a" wor', Fail("cut"))
    assert script.first_token == 0.7


def test_odd_errors_make_scripts_too() -> None:
    listener = parser_for(CHAT)
    assert listener is not None
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "retry-after-ms": "250", "content-type": "text/html"}
    for body in (b"<h1>", b"", b"[]", b"{", b'{"error": 3}', b'{"error": {"message": 3, "details": [3]}}'):
        recording = Recording("x")
        recording.begin(429, headers, listener, CHAT, "")
        recording.feed(body, 0.1)
        (step,) = parse_script("x", recording.toml("complete", 0.1)).steps
        assert isinstance(step, Fail)
        assert (step.status, step.retry_after_s, step.retry_after_ms) == (429, None, 250)
        assert step.body == ("html" if body else "empty")


def test_secrets_are_taken_out() -> None:
    text = without_secrets("Wrong key: sk-proj-abc***def9, mine is hunter2.", ["hunter2"])
    assert text == "Wrong key: [redacted], mine is [redacted]."
