"""OAI, AIS and AGU: streams that keep the public specifications, and streams that break them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.harness.protocol.apis.ag_ui import AG_UI
from chatproof.harness.protocol.apis.ag_ui_checks import ids_are_those_asked_for
from chatproof.harness.protocol.apis.ai_sdk import AI_SDK
from chatproof.harness.protocol.apis.api import Api
from chatproof.harness.protocol.apis.openai_chat import OPENAI_CHAT
from chatproof.harness.protocol.apis.openai_chat_checks import error_is_an_object_with_a_message
from chatproof.harness.protocol.checks.err import fails_as_error
from chatproof.harness.protocol.checks.reply_form import checks_of, checks_of_events
from chatproof.harness.protocol.findings import Check, violations
from chatproof.harness.protocol.transcript import End, Transcript, Transport

DONE = "[DONE]"
HEADERS = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache"),
    ("x-vercel-ai-ui-message-stream", "v1"),
]
ASKED = {"threadId": "t", "runId": "r"}
Part = dict[str, Any] | str


def reply(api: Api, *parts: Part, end: str = "\n\n", missing: int = 0) -> Transcript:
    """A whole reply of these events, without its last `missing` characters."""
    transcript = Transcript(Transport.SSE, api=api)
    transcript.answered(0.0, 200, HEADERS)
    text = "".join(f"data: {part if isinstance(part, str) else json.dumps(part)}{end}" for part in parts)
    transcript.read(0.1, text[: len(text) - missing].encode())
    transcript.ended(0.2, End.COMPLETE)
    return transcript


def broken_rows(transcript: Transcript, *more: Check) -> set[str]:
    return {one.id for one in (*checks_of(transcript.api), *more) if violations(one(transcript))}


def chunk(name: str = "c", **choice: Any) -> dict[str, Any]:
    whole = {"index": 0, "delta": {}, "finish_reason": None, **choice}
    return {"id": name, "object": "chat.completion.chunk", "choices": [whole]}


def said(text: str) -> dict[str, Any]:
    return chunk(delta={"content": text})


STOP = chunk(finish_reason="stop")
USAGE = {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": {"completion_tokens": 1}}
AZURE = {"id": "", "object": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": []}


@pytest.mark.parametrize(
    "parts",
    [
        (said("Hi"), STOP, DONE),
        (chunk(delta={"role": "assistant", "content": ""}), said("Hi"), STOP, USAGE, DONE),
        (AZURE, said("Hi"), chunk(delta={"content": "!"}, finish_reason="length"), DONE),
        (said("Hi"), chunk(index=1, delta={"content": "another"}, finish_reason="stop"), STOP, DONE),
    ],
)
def test_streams_of_chat_completions(parts: tuple[Part, ...]) -> None:
    assert broken_rows(reply(OPENAI_CHAT, *parts)) == set()


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("OAI-01", (said("Hi"), STOP)),
        ("OAI-01", (said("Hi"), DONE, STOP)),
        ("OAI-02", (said("Hi"), STOP, {**USAGE, "choices": None}, DONE)),
        ("OAI-02", (said("Hi"), chunk("other", finish_reason="stop"), DONE)),
        ("OAI-02", (said("Hi"), STOP, '{"choices": [', DONE)),
        ("OAI-03", (said("Hi"), STOP, said("!"), DONE)),
        ("OAI-03", (said("Hi"), chunk(finish_reason="end_turn"), DONE)),
    ],
)
def test_broken_streams_of_chat_completions(row: str, parts: tuple[Part, ...]) -> None:
    assert row in broken_rows(reply(OPENAI_CHAT, *parts))


@pytest.mark.parametrize(
    ("parts", "is_kept"),
    [
        (({"error": {"message": "no"}}, DONE), True),
        (({"error": {"message": "no"}},), True),
        (({"error": "no"},), False),
        (("the provider failed", DONE), False),
    ],
)
def test_errors_of_chat_completions(parts: tuple[Part, ...], is_kept: bool) -> None:
    assert bool(violations(error_is_an_object_with_a_message(reply(OPENAI_CHAT, *parts)))) is not is_kept


START, TEXT_START, TEXT_END = {"type": "start"}, {"type": "text-start", "id": "0"}, {"type": "text-end", "id": "0"}
FINISH, STEP, STEP_END = {"type": "finish"}, {"type": "start-step"}, {"type": "finish-step"}
DATA = {"type": "data-status", "data": {}, "transient": True}


def delta(text: str = "Hi", name: str = "0", **more: Any) -> dict[str, Any]:
    return {"type": "text-delta", "id": name, "delta": text, **more}


@pytest.mark.parametrize(
    "parts",
    [
        (START, TEXT_START, delta(), TEXT_END, FINISH, DONE),
        (DATA, START, STEP, TEXT_START, delta(), TEXT_END, STEP_END, {**FINISH, "finishReason": "stop"}, DATA, DONE),
        (START, TEXT_START, delta(), TEXT_END, TEXT_START, delta(providerMetadata={}), TEXT_END, FINISH, DONE),
    ],
)
def test_ui_message_streams(parts: tuple[Part, ...]) -> None:
    assert broken_rows(reply(AI_SDK, *parts)) == set()


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("AIS-02", (START, delta(), FINISH, DONE)),
        ("AIS-02", (START, TEXT_START, delta(name="1"), TEXT_END, FINISH, DONE)),
        ("AIS-02", (START, TEXT_START, delta(), FINISH, DONE)),
        ("AIS-02", (START, TEXT_START, delta(), STEP_END, delta(), TEXT_END, FINISH, DONE)),
        ("AIS-03", (START, TEXT_START, delta(), TEXT_END, DONE)),
        ("AIS-03", (START, TEXT_START, delta(), TEXT_END, FINISH)),
        ("AIS-03", (START, TEXT_START, delta(), TEXT_END, FINISH, FINISH, DONE)),
        ("AIS-03", (START, FINISH, TEXT_START, delta(), TEXT_END, DONE)),
        ("AIS-04", (TEXT_START, START, delta(), TEXT_END, FINISH, DONE)),
        ("AIS-05", (START, {"type": "status"}, TEXT_START, delta(), TEXT_END, FINISH, DONE)),
        ("AIS-06", (START, TEXT_START, delta(index=1), TEXT_END, FINISH, DONE)),
        ("AIS-05", (START, TEXT_START, {"type": "text-delta", "id": "0", "text": "Hi"}, TEXT_END, FINISH, DONE)),
        ("AIS-05", (START, {"type": "error", "error": "no"}, DONE)),
        ("AIS-05", (START, "what", FINISH, DONE)),
        ("AIS-05", (START, TEXT_START, delta(), TEXT_END, {**FINISH, "finishReason": "end_turn"}, DONE)),
    ],
)
def test_broken_ui_message_streams(row: str, parts: tuple[Part, ...]) -> None:
    assert row in broken_rows(reply(AI_SDK, *parts))


def test_an_end_behind_an_error_is_no_completion_to_use_chat() -> None:
    """`streamText` tells a failure so; the error alone must be there."""
    ends = [{**FINISH, "finishReason": "error"}, FINISH]
    for end in ends:
        failed = reply(AI_SDK, START, {"type": "error", "errorText": "no"}, STEP_END, end, DONE)
        assert not violations(fails_as_error("ERR-03")(failed))


RUN, RUN_END = {"type": "RUN_STARTED", **ASKED}, {"type": "RUN_FINISHED", **ASKED}
FAILED = {"type": "RUN_ERROR", "message": "no"}
OPEN, CLOSE = {"type": "TEXT_MESSAGE_START", "messageId": "m"}, {"type": "TEXT_MESSAGE_END", "messageId": "m"}
STEP_STARTED, STEP_FINISHED = ({"type": f"STEP_{one}", "stepName": "s"} for one in ("STARTED", "FINISHED"))


def content(text: str = "Hi", name: str = "m") -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": name, "delta": text}


def piece(**more: Any) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CHUNK", "delta": "Hi", **more}


@pytest.mark.parametrize(
    "parts",
    [
        (RUN, OPEN, content(""), content(), CLOSE, RUN_END),
        (RUN, STEP_STARTED, OPEN, content(), STEP_FINISHED, CLOSE, OPEN, content("!"), CLOSE, RUN_END),
        (RUN, piece(messageId="m"), piece(), {"type": "CUSTOM", "name": "usage", "value": 3}, RUN_END),
    ],
)
def test_runs(parts: tuple[Part, ...]) -> None:
    assert broken_rows(reply(AG_UI, *parts), ids_are_those_asked_for(ASKED)) == set()


@pytest.mark.parametrize("parts", [(FAILED,), (RUN, FAILED), (RUN, OPEN, content(), FAILED)])
def test_failed_runs(parts: tuple[Part, ...]) -> None:
    assert {row for row in broken_rows(reply(AG_UI, *parts)) if row.startswith("AGU")} == set()


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("AGU-01", (OPEN, content(), CLOSE, RUN_END)),
        ("AGU-01", (RUN, RUN, OPEN, content(), CLOSE, RUN_END)),
        ("AGU-01", (RUN, OPEN, content(), CLOSE)),
        ("AGU-01", (RUN, OPEN, content(), CLOSE, RUN_END, content())),
        ("AGU-01", (RUN, FAILED, RUN_END)),
        ("AGU-02", (RUN, content(), RUN_END)),
        ("AGU-02", (RUN, OPEN, content(name="n"), CLOSE, RUN_END)),
        ("AGU-02", (RUN, OPEN, content(), RUN_END)),
        ("AGU-02", (RUN, OPEN, OPEN, content(), CLOSE, RUN_END)),
        ("AGU-02", (RUN, STEP_STARTED, OPEN, content(), CLOSE, RUN_END)),
        ("AGU-02", (RUN, piece(), RUN_END)),
        ("AGU-03", (RUN, OPEN, content(), CLOSE, {**RUN_END, "runId": "another"})),
        ("AGU-04", (RUN, {"type": "USAGE"}, OPEN, content(), CLOSE, RUN_END)),
        ("AGU-04", (RUN, {"type": "TEXT_MESSAGE_START", "message_id": "m"}, RUN_END)),
        ("AGU-04", (RUN, OPEN, content(), CLOSE, RUN_END, DONE)),
        ("AGU-04", (RUN, {"type": "RUN_ERROR", "error": "no"})),
    ],
)
def test_broken_runs(row: str, parts: tuple[Part, ...]) -> None:
    assert row in broken_rows(reply(AG_UI, *parts), ids_are_those_asked_for(ASKED))


def test_the_official_client_finds_no_events_behind_cr_lf() -> None:
    assert broken_rows(reply(AG_UI, RUN, OPEN, content(), CLOSE, RUN_END, end="\r\n\r\n")) == {"AGU-04"}


@pytest.mark.parametrize(
    ("row", "api", "parts"),
    [
        ("OAI-01", OPENAI_CHAT, (said("Hi"), STOP, DONE)),
        ("AIS-03", AI_SDK, (START, TEXT_START, delta(), TEXT_END, FINISH, DONE)),
        ("API-05", AG_UI, ({"type": "RUN_STARTED", **ASKED}, {"type": "RUN_FINISHED", **ASKED})),
    ],
)
def test_an_end_without_a_blank_line_behind_it_is_dropped(row: str, api: Api, parts: tuple[Part, ...]) -> None:
    assert broken_rows(reply(api, *parts)) == set()
    assert row in broken_rows(reply(api, *parts, missing=1))
    assert row in broken_rows(reply(api, *parts, missing=2))


@pytest.mark.parametrize("api", [OPENAI_CHAT, AI_SDK, AG_UI], ids=lambda api: api.name)
def test_each_event_of_a_silent_reply_is_one_of_the_api(api: Api) -> None:
    def broken(*parts: Part) -> bool:
        return any(violations(one(reply(api, *parts))) for one in checks_of_events(api))

    assert broken("ping")
    assert broken({"type": "ping"})
    assert not broken()
