"""The apis that servers speak beside the document's: how each asks, and what its events say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.harness.protocol.apis.ag_ui import AG_UI
from chatproof.harness.protocol.apis.ai_sdk import AI_SDK
from chatproof.harness.protocol.apis.api import (
    Api,
    Conversation,
    Failure,
    Finish,
    History,
    Named,
    Other,
    Part,
    Role,
    Text,
    Turn,
    Usage,
)
from chatproof.harness.protocol.apis.openai_chat import OPENAI_CHAT
from chatproof.harness.protocol.apis.openai_chat import REASONING as THOUGHT
from chatproof.harness.protocol.messages import decode_object
from chatproof.harness.protocol.transcript import End, Transcript, Transport

TURNS = (Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "Hello"), Turn(Role.USER, "And?"))
LATER = Conversation(TURNS, id="c1", run="r2", credential="secret")
NAMED = Named(message="m")


def test_openai_chat_sends_all_turns_and_asks_for_a_stream() -> None:
    ask = OPENAI_CHAT.ask(LATER)
    assert (ask.path, ask.headers) == ("/v1/chat/completions", (("Authorization", "Bearer secret"),))
    said = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "And?"},
    ]
    assert ask.body == {"model": "gpt-4o-mini", "stream": True, "messages": said}


def test_the_ai_sdk_sends_messages_of_parts_whose_ids_stay() -> None:
    first = dict(AI_SDK.ask(Conversation(TURNS[:1], id="c1", run="r1")).body or {})
    later = dict(AI_SDK.ask(LATER).body or {})
    assert later["id"] == first["id"] == "c1"
    assert later["trigger"] == "submit-message"
    assert later["messages"][0] == first["messages"][0]
    assert later["messages"][1] == {"id": "c1-1", "role": "assistant", "parts": [{"type": "text", "text": "Hello"}]}
    assert len({one["id"] for one in later["messages"]}) == 3


def test_the_ai_sdks_client_sends_the_mark_of_a_step_back() -> None:
    turns = (TURNS[0], Turn(Role.ASSISTANT, "Hello", stepped=True), TURNS[2])
    body = dict(AI_SDK.ask(Conversation(turns, id="c1", run="r2")).body or {})
    assert body["messages"][1]["parts"] == [{"type": "step-start"}, {"type": "text", "text": "Hello"}]


def test_ag_ui_names_thread_and_run_and_leaves_nothing_out_that_its_schema_requires() -> None:
    ask = AG_UI.ask(LATER)
    assert ("Accept", "text/event-stream") in ask.headers
    body = dict(ask.body or {})
    assert body.keys() == {"threadId", "runId", "state", "messages", "tools", "context", "forwardedProps"}
    assert (body["threadId"], body["runId"]) == ("c1", "r2")
    assert [one["role"] for one in body["messages"]] == ["user", "assistant", "user"]


def _chunk(**choice: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": None, **choice}]}


@pytest.mark.parametrize(
    ("api", "data", "parts"),
    [
        (OPENAI_CHAT, _chunk(delta={"role": "assistant", "content": ""}), (Other(),)),
        (OPENAI_CHAT, _chunk(delta={"content": "Hi"}), (Text("Hi"),)),
        (OPENAI_CHAT, _chunk(delta={"content": "Hi"}, finish_reason="stop"), (Text("Hi"), Finish("stop"))),
        (OPENAI_CHAT, _chunk(delta={"reasoning_content": "Hm"}), (Text("Hm", channel=THOUGHT),)),
        (OPENAI_CHAT, _chunk(delta={"reasoning": "Hm", "content": None}), (Text("Hm", channel=THOUGHT),)),
        (OPENAI_CHAT, _chunk(delta=None, finish_reason="length"), (Finish("length"),)),
        (OPENAI_CHAT, {"choices": [{"index": 1, "delta": {"content": "another reply"}}]}, (Other(),)),
        (OPENAI_CHAT, {"choices": [], "usage": {"completion_tokens": 3}}, (Usage(3),)),
        (OPENAI_CHAT, {"choices": None, "usage": {"completion_tokens": "3"}}, (Usage(None),)),
        (OPENAI_CHAT, {"error": {"message": "no", "type": "server_error"}}, (Failure("no"),)),
        (OPENAI_CHAT, {"error": "no"}, (Failure("no"),)),
        (OPENAI_CHAT, {"error": {"code": 500}}, (Failure(None),)),
        (OPENAI_CHAT, "[DONE]", ()),
        (OPENAI_CHAT, "what", ()),
        (AI_SDK, {"type": "start", "messageId": "m"}, (NAMED, Other())),
        (AI_SDK, {"type": "start"}, (Other(),)),
        (AI_SDK, {"type": "start-step"}, (Named(stepped=True), Other())),
        (AI_SDK, {"type": "text-delta", "id": "0", "delta": "Hi"}, (Text("Hi", block="0"),)),
        (AI_SDK, {"type": "text-delta", "id": "0", "delta": 5}, (Other(),)),
        (AI_SDK, {"type": "text-delta", "id": "0", "delta": ""}, (Other(),)),
        (AI_SDK, {"type": "reasoning-delta", "id": "1", "delta": "Hm"}, (Text("Hm", channel=THOUGHT, block="1"),)),
        (AI_SDK, {"type": "tool-input-delta", "inputTextDelta": "{"}, (Other(),)),
        (AI_SDK, {"type": "data-weather", "data": {}}, (Other(),)),
        (AI_SDK, {"type": "finish", "finishReason": "stop"}, (Finish("stop"),)),
        (AI_SDK, {"type": "finish"}, (Finish(),)),
        (AI_SDK, {"type": "finish", "finishReason": "error"}, (Failure("the reply finished with the reason error"),)),
        (AI_SDK, {"type": "error", "errorText": "no"}, (Failure("no"),)),
        (AI_SDK, {"type": "abort"}, (Failure("the server aborted the reply"),)),
        (AI_SDK, {"type": ["text-delta"]}, (Other(),)),
        (AI_SDK, "[DONE]", ()),
        (AG_UI, {"type": "RUN_STARTED", "threadId": "c1", "runId": "r2"}, (Other(),)),
        (AG_UI, {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "Hi"}, (Text("Hi", block="m"),)),
        (AG_UI, {"type": "TEXT_MESSAGE_START", "messageId": "m"}, (NAMED, Other())),
        (AG_UI, {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m", "delta": "Hi"}, (NAMED, Text("Hi", block="m"))),
        (AG_UI, {"type": "REASONING_MESSAGE_CHUNK", "messageId": "m", "delta": ""}, (Other(),)),
        (AG_UI, {"type": "TOOL_CALL_ARGS", "toolCallId": "t", "delta": "{"}, (Other(),)),
        (AG_UI, {"type": "RUN_FINISHED", "threadId": "c1", "runId": "r2"}, (Finish(),)),
        (AG_UI, {"type": "RUN_FINISHED", "outcome": {"type": "success"}}, (Finish(),)),
        (AG_UI, {"type": "RUN_FINISHED", "outcome": {"type": "cancelled"}}, (Failure("the run was cancelled"),)),
        (AG_UI, {"type": "RUN_ERROR", "message": "no", "code": "X"}, (Failure("no"),)),
        (AG_UI, "[DONE]", ()),
    ],
)  # fmt: skip
def test_what_an_event_says(api: Api, data: dict[str, Any] | str, parts: tuple[Part, ...]) -> None:
    text = data if isinstance(data, str) else json.dumps(data)
    assert repr(tuple(api.read("message", text, decode_object(text).body))) == repr(parts)  # their types count as well


@pytest.mark.parametrize("api", [AI_SDK, AG_UI], ids=lambda api: api.name)
def test_a_message_keeps_the_id_that_the_server_gave_it(api: Api) -> None:
    said = Conversation(
        (Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "Hello", "m-7"), Turn(Role.USER, "And?")), "c1", "r2"
    )
    body = api.ask(said).body
    assert body
    assert [one["id"] for one in body["messages"]] == ["c1-0", "m-7", "c1-2"]


@pytest.mark.parametrize("api", [OPENAI_CHAT, AI_SDK, AG_UI], ids=lambda api: api.name)
def test_the_client_carries_the_turns_and_there_are_no_sockets(api: Api) -> None:
    assert api.history is History.CLIENT
    assert not api.read_emitted("chat_token", {"token": "Hi"})
    with pytest.raises(LookupError, match=r"no Socket\.IO"):
        api.emit(LATER)


@pytest.mark.parametrize(
    ("api", "body", "text"),
    [
        (OPENAI_CHAT, b'{"error": {"message": "no"}}', "no"),
        (OPENAI_CHAT, b'{"error": "no"}', "no"),
        (OPENAI_CHAT, b'{"message": "no"}', None),
        (AI_SDK, b'{"error": "no"}', "no"),
        (AI_SDK, b'{"message": "no"}', "no"),
        (AG_UI, b'{"detail": "no"}', "no"),
        (AG_UI, b"<html>", None),
    ],
)
def test_an_error_answer_has_a_text(api: Api, body: bytes, text: str | None) -> None:
    assert api.error_of(body) == text


def test_thoughts_are_not_the_reply() -> None:
    """The transcript's text is what the user reads."""
    transcript = Transcript(Transport.SSE, api=OPENAI_CHAT)
    chunks = [
        _chunk(delta={"reasoning_content": "Hm. "}),
        _chunk(delta={"content": "Yes"}),
        _chunk(finish_reason="stop"),
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    transcript.read(0.0, body.encode())
    transcript.ended(0.1, End.COMPLETE)
    assert (transcript.text, transcript.is_success) == ("Yes", True)
