"""Anthropic's messages: the events of a stream, and the message in one piece.

Each run of text, of thoughts, and each call is a content block. Thoughts that the request does not want to see are a
block with a signature and no text. A refusal is no content: the stop reason says it, with an explanation.

Sources: https://platform.claude.com/docs/en/build-with-claude/streaming, …/handling-stop-reasons,
…/extended-thinking, and what the official clients read.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Final

from chatproof.fake_providers.dialects.anthropic import error_bodies as errors
from chatproof.fake_providers.dialects.anthropic.thought_signatures import redact, sign
from chatproof.fake_providers.dialects.base import Ask, Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.endings import error_reply, in_one_piece, status_reply, streamed, unanswered
from chatproof.fake_providers.dialects.schedule import Timeline, play
from chatproof.fake_providers.models.catalogue import model_of
from chatproof.fake_providers.scripting.script import Fail, Say
from chatproof.fake_providers.scripting.steps import Channel

_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content_filter": "refusal",
    "tool_calls": "tool_use",
}
_CATEGORIES: Final = ("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms")
_CACHED: Final = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
_PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
# of a block: the type of its deltas, the field that they have, and the block's own
_DELTAS: Final = {
    "text": ("text_delta", "text", "text"),
    "thinking": ("thinking_delta", "thinking", "thinking"),
    "tool_use": ("input_json_delta", "partial_json", "input"),
}


def render(ask: Ask) -> Reply:
    """The reply to a valid request for a message."""
    events = MessageEvents(ask)
    line = play(
        ask.script, events, ask.max_tokens, key=ask.key, thinks=ask.thinking != "none", vocabulary=ask.vocabulary
    )
    name = errors.request_id(ask.digest)
    headers, fail, due = errors.always(name), line.fail, line.end_due
    if ask.script.blocked is not None:
        return _blocked(ask, line, (*headers, *errors.limits()))
    if fail is not None and fail.fault == "status":
        return _status(ask, fail, due, name)
    frames = tuple(frame for frame in line.frames if frame.payload)  # an empty one would be the body's end
    if (without := unanswered(line, frames)) is not None:
        return without
    headers += errors.limits()
    if ask.stream:
        return streamed(line, frames, (*errors.STREAM, *headers), lambda: events.broken()[:-2])
    if line.end != "stall" and fail is not None and fail.fault == "error":
        status, kind, message = errors.meant(fail, 500, ask.model)
        advice = errors.should_retry(status)
        return error_reply(status, (errors.JSON, *headers, *advice), _dumped(errors.error(kind, message, name)), due)
    return in_one_piece(line, (errors.JSON, *headers), lambda: _dumped(events.message(line.finish_reason), ask))


class MessageEvents:
    """Encodes the parts of a stream. It opens and closes the content blocks as the script goes on."""

    fragments = True
    silent: tuple[Channel, ...] = ("refusal",)

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._quoted = encode_basestring_ascii if ask.script.ascii else encode_basestring
        self._content: list[dict[str, Any]] = []
        self._kind = ""  # of the block that is open
        self._said: list[str] = []
        self._delta = ""  # a delta event up to its text
        self._refused: list[str] = []
        self._tokens = self._thought = 0
        says = (step for step in ask.script.steps if isinstance(step, Say) and step.channel == "thinking")
        self._redacted = [step.redacted for step in says if step.whole]
        self._step = -1

    def opening(self) -> bytes:
        return self._event("message_start", message=self._message(None, 1))

    def token(self, text: str) -> bytes:
        opened = self._in("text", text="")
        return opened + self._say(text)

    def refusal(self, text: str) -> bytes:
        self._refused.append(text)
        self._tokens += 1
        return b""

    def thinking(self, text: str, first: bool) -> bytes:
        self._step += first
        self._thought += 1
        if self._redacted[self._step]:
            self._tokens += 1
            return self._in("redacted_thinking", data=redact(self._ask.digest, len(self._content)))
        opened = self._in("thinking", thinking="", signature="")
        if self._ask.thinking == "shown":
            return opened + self._say(text)
        self._tokens += 1
        return opened

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        if fragment is not None:
            return self._say(fragment)
        call = {"id": f"toolu_01{errors.letters(f'{self._ask.digest} call {index}', 22)}", "name": name, "input": {}}
        return self._close() + self._start("tool_use", **call, caller={"type": "direct"}) + self._said_in("")

    def broken(self) -> bytes:
        head = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"brok'
        return f"event: content_block_delta\ndata: {head}\n\n".encode()

    def error(self, fail: Fail) -> bytes:
        _, kind, message = errors.meant(fail, 500, self._ask.model)
        inner = {"details": None, "type": kind, "message": message}
        return self._event("error", error=inner, request_id=errors.request_id(self._ask.digest))

    def closing(self, finish_reason: str) -> bytes:
        closed = self._close()
        usage: dict[str, Any] = {"input_tokens": self._ask.prompt_tokens, **_CACHED, "output_tokens": self._tokens}
        end = self._event("message_delta", delta=self._end(finish_reason), usage={**usage, **self._details()})
        return closed + end + self._event("message_stop")

    def message(self, finish_reason: str) -> dict[str, Any]:
        """The finished message."""
        self._close()
        return self._message(finish_reason, self._tokens)

    def _message(self, finish_reason: str | None, said: int) -> dict[str, Any]:
        ask = self._ask
        nobody = {"stop_reason": None, "stop_sequence": None, "stop_details": None}
        return {
            "model": model_of("anthropic", ask.model).group,
            "id": f"msg_01{errors.letters(ask.digest, 22)}",
            "type": "message",
            "role": "assistant",
            "content": self._content,
            **(nobody if finish_reason is None else self._end(finish_reason)),
            "usage": {
                "input_tokens": ask.prompt_tokens,
                **_CACHED,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": said,
                **self._details(),
                "service_tier": "standard",
            },
        }

    def _end(self, finish_reason: str) -> dict[str, Any]:
        reason = "refusal" if self._refused else _REASONS[finish_reason]
        if self._ask.stopped_by and reason == "end_turn":
            reason = "stop_sequence"
        details = {"type": "refusal", "category": None, "explanation": "".join(self._refused) or None}
        return {
            "stop_reason": reason,
            "stop_sequence": self._ask.stopped_by if reason == "stop_sequence" else None,
            "stop_details": details if reason == "refusal" else None,
        }

    def _details(self) -> dict[str, Any]:
        return {"output_tokens_details": {"thinking_tokens": self._thought}} if self._thought else {}

    def _in(self, kind: str, **fields: Any) -> bytes:
        """Opens such a block, unless one is open."""
        return b"" if self._kind == kind else self._close() + self._start(kind, **fields)

    def _start(self, kind: str, **fields: Any) -> bytes:
        index, self._kind, self._said = len(self._content), kind, []
        self._content.append({"type": kind, **fields})
        if kind in _DELTAS:
            name, field, _ = _DELTAS[kind]
            head = f'{{"type":"content_block_delta","index":{index},"delta":{{"type":"{name}","{field}":'
            self._delta = f"event: content_block_delta\ndata: {head}"
        opened = self._event("content_block_start", index=index, content_block=self._content[-1])
        return opened if index else opened + _PING

    def _say(self, piece: str) -> bytes:
        self._tokens += 1
        return self._said_in(piece)

    def _said_in(self, piece: str) -> bytes:
        self._said.append(piece)
        return f"{self._delta}{self._quoted(piece)}}}}}\n\n".encode()

    def _close(self) -> bytes:
        """Close the open block, if any: it gets what was said in it."""
        if not (kind := self._kind):
            return b""
        index, block, said, signed = len(self._content) - 1, self._content[-1], "".join(self._said), b""
        self._kind = ""
        if kind == "tool_use":
            block["input"] = _input(said)
        elif kind in _DELTAS:
            block[_DELTAS[kind][2]] = said
        if kind == "thinking":
            block["signature"] = sign(self._ask.digest, index, said)
            delta = {"type": "signature_delta", "signature": block["signature"]}
            signed = self._event("content_block_delta", index=index, delta=delta)
        return signed + self._event("content_block_stop", index=index)

    def _event(self, kind: str, **values: Any) -> bytes:
        data = _dumped({"type": kind, **values}, self._ask).decode()
        return f"event: {kind}\ndata: {data}\n\n".encode()


def _input(said: str) -> dict[str, Any]:
    """The input of a call. Where the token limit cut it, nothing of it is left."""
    try:
        return dict(json.loads(said))
    except ValueError:
        return {}


def _dumped(value: Any, ask: Ask | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=ask is not None and ask.script.ascii, separators=(",", ":")).encode()


def _blocked(ask: Ask, line: Timeline, headers: Headers) -> Reply:
    """A prompt that the classifiers stop is no error: a message without content, whose stop reason is a refusal."""
    due = line.frames[0].due if line.frames else line.end_due
    reason = (ask.script.blocked or "").lower()
    details = {"type": "refusal", "category": reason if reason in _CATEGORIES else None, "explanation": None}
    events = MessageEvents(ask)
    if not ask.stream:
        message = {**events.message("content_filter"), "stop_details": details}
        return Reply(200, (errors.JSON, *headers), (TimedFrame(_dumped(message, ask), due),), "complete", due, due)
    whole = events.opening() + events.closing("content_filter")
    shown = whole.replace(b'"category":null', f'"category":{json.dumps(details["category"])}'.encode())
    return Reply(200, (*errors.STREAM, *headers), (TimedFrame(shown, due),), "complete", 0.0, due, chunked=True)


def _status(ask: Ask, fail: Fail, due: float, name: str) -> Reply:
    status, kind, message = errors.meant(fail, fail.error_status, ask.model)
    own = (errors.JSON, _dumped(errors.error(kind, message, name), ask))
    headers = errors.always(name)
    if fail.status == 200:
        return status_reply(200, fail, due, headers, own)
    return status_reply(status, fail, due, headers + errors.retry_headers(fail, status), own)
