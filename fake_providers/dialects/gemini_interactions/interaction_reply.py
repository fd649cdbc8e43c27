"""Gemini's interactions: the events of a stream, and the interaction in one piece.

A thought is a step with a signature, and with a summary where the request wants summaries. The calls of tools end an
interaction with the status requires_action. Each event has an `event_id`, from which a client can go on reading.

Source: https://ai.google.dev/gemini-api/docs/streaming, https://ai.google.dev/api/interactions-api, and what
google-genai reads. Ids: googleapis/python-genai#3003.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.base import Ask, Headers, Reply
from chatproof.fake_providers.dialects.endings import (
    error_reply,
    in_one_piece,
    retry_after,
    status_reply,
    streamed,
    unanswered,
)
from chatproof.fake_providers.dialects.gemini.google_json import Escapes, compact, pretty
from chatproof.fake_providers.dialects.gemini.reply import HEADERS, JSON_TYPE
from chatproof.fake_providers.dialects.gemini_interactions.interaction_errors import failure, interaction_error
from chatproof.fake_providers.dialects.schedule import Timeline, play
from chatproof.fake_providers.models.catalogue import model_of
from chatproof.fake_providers.scripting.script import Fail
from chatproof.fake_providers.scripting.steps import Channel

DONE: Final = b"event: done\ndata: [DONE]\n\n"
CREATED: Final = "2023-11-14T22:13:20Z"  # fixed: the same request has the same bytes every day

_STREAM: Final[Headers] = (("content-type", "text/event-stream"), ("cache-control", "no-cache"), *HEADERS)
_STATUSES: Final = {"stop": "completed", "tool_calls": "requires_action"}
_SIGNATURE_BYTES: Final = 96
_ERROR_STATUS: Final = 500  # of an error in the stream, which a script gives no status


class InteractionWishes(NamedTuple):
    """What else the request decides. `echo`: what the interaction repeats of it, as JSON; `counted`: its tokens by
    modality.
    """

    echo: str
    counted: tuple[tuple[str, int], ...]
    previous: str | None = None
    background: bool = False


def render(ask: Ask) -> Reply:
    """The reply to a valid request for an interaction."""
    wishes = _wishes(ask)
    if wishes.background and not ask.stream:
        body = pretty(interaction(ask, "in_progress"), _escapes(ask)).encode()
        return in_one_piece(Timeline(), (JSON_TYPE, *HEADERS), lambda: body)
    events = InteractionEvents(ask)
    line = play(
        ask.script, events, ask.max_tokens, key=ask.key, thinks=ask.thinking != "none", vocabulary=ask.vocabulary
    )
    fail, due = line.fail, line.end_due
    if ask.script.blocked is not None:
        body = pretty(interaction_error(400, f"The prompt was blocked: {ask.script.blocked}.")).encode()
        return error_reply(400, (JSON_TYPE, *HEADERS), body, due)
    if fail is not None and fail.fault == "status":
        status, error = failure(fail, ask.model)
        own = (JSON_TYPE, pretty(error).encode())
        return status_reply(200 if fail.status == 200 else status, fail, due, (*HEADERS, *retry_after(fail)), own)
    if (without := unanswered(line, line.frames)) is not None:
        return without
    if ask.stream:
        frames = tuple(frame for frame in line.frames if frame.payload)
        return streamed(line, frames, _STREAM, lambda: events.broken()[:-2])
    headers = (JSON_TYPE, *HEADERS)
    if line.end != "stall" and fail is not None and fail.fault == "error":
        status, error = failure(fail, ask.model, _ERROR_STATUS)
        return error_reply(status, headers, pretty(error).encode(), due)
    return in_one_piece(line, headers, lambda: pretty(events.finished(line), _escapes(ask)).encode())


def finished_interaction(ask: Ask) -> dict[str, Any]:
    """The interaction as it is kept: with all its steps, or failed where its script fails."""
    events = InteractionEvents(ask)
    line = play(
        ask.script, events, ask.max_tokens, key=ask.key, thinks=ask.thinking != "none", vocabulary=ask.vocabulary
    )
    if line.fail is None or line.fail.fault in ("malformed", "open"):
        return events.finished(line)
    error = failure(line.fail, ask.model, line.fail.error_status)[1]["error"]
    return {**interaction(ask, "failed"), "errors": [error]}


def interaction(ask: Ask, status: str, **more: Any) -> dict[str, Any]:
    """An interaction without steps, with what it repeats of its request."""
    ids = {"id": name_of(ask), "status": status, **more, "created": CREATED, "updated": CREATED}
    echo: dict[str, Any] = json.loads(_wishes(ask).echo)
    return {**ids, "object": "interaction", "model": ask.model, **echo}


def name_of(ask: Ask) -> str:
    """The interaction's id: the ids of the conversation's first interaction and of this one, as Google packs them."""
    own = base64.urlsafe_b64encode(bytes.fromhex(ask.digest))[:23]
    root = _root(_wishes(ask).previous) or own
    packed = b"\x0a" + bytes([len(root)]) + root + b"\x12" + bytes([len(own)]) + own
    return f"v1_{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def _root(name: str | None) -> bytes | None:
    """The first of the two ids in the name of an interaction; None where it is no such name."""
    try:
        packed = base64.urlsafe_b64decode((name or "").removeprefix("v1_") + "==")
    except ValueError:
        return None
    return packed[2 : 2 + packed[1]] if packed[:1] == b"\x0a" and len(packed) > 3 else None


class InteractionEvents:
    """Encodes the parts of a stream. It opens and closes the steps as the script goes on."""

    fragments = True

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._escapes = _escapes(ask)
        self.silent: tuple[Channel, ...] = ()
        self._shown = ask.thinking == "shown"
        self._signed = "signatures" in model_of("gemini", ask.model).can
        self._number = 0
        self._steps: list[dict[str, Any]] = []
        self._open = ""
        self._said: list[str] = []
        self._thought = self._spoken = 0

    def opening(self) -> bytes:
        made = {"id": name_of(self._ask), "status": "in_progress", "object": "interaction", "model": self._ask.model}
        begun = {"interaction_id": made["id"], "status": "in_progress"}
        return self._event("interaction.created", interaction=made) + self._event("interaction.status_update", **begun)

    def token(self, text: str) -> bytes:
        self._spoken += 1
        opened = self._in("model_output", {})
        self._said.append(text)
        return opened + self._delta({"text": text, "type": "text"})

    refusal = token

    def thinking(self, text: str, first: bool) -> bytes:
        self._thought += 1
        opened = b"" if self._open == "thought" else self._close() + self._start("thought", {})
        if not self._shown:
            return opened
        self._said.append(text)
        return opened + self._delta({"content": {"text": text, "type": "text"}, "type": "thought_summary"})

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        if fragment is not None:
            self._spoken += 1
            self._said.append(fragment)
            return self._delta({"arguments": fragment, "type": "arguments_delta"})
        number = f"{int(self._ask.digest[:10], 16) + index:x}"[-8:]
        head = {"id": number, "name": name, "arguments": {}}
        return self._signature_step() + self._close() + self._start("function_call", head)

    def broken(self) -> bytes:
        return b'event: step.delta\ndata: {"index": 0,"delta": {"text": "brok\n\n'

    def error(self, fail: Fail) -> bytes:
        error = failure(fail, self._ask.model, _ERROR_STATUS)[1]["error"]
        return self._event("error", error=error) + (DONE if fail.end_mark else b"")

    def closing(self, finish_reason: str) -> bytes:
        end = self._close()
        if not self._steps:
            end += self._in("model_output", {}) + self._close()
        whole = interaction(self._ask, self._status(finish_reason), usage=self._usage(), service_tier="standard")
        return end + self._event("interaction.completed", interaction=whole) + DONE

    def finished(self, line: Timeline) -> dict[str, Any]:
        """The interaction with its steps; `line` is the timeline that this has written."""
        self._close()
        more = {"usage": self._usage(), "service_tier": "standard", "steps": self._steps}
        return interaction(self._ask, self._status(line.finish_reason), **more)

    def _status(self, finish_reason: str) -> str:
        if any(step["type"] == "function_call" for step in self._steps) and finish_reason in _STATUSES:
            return "requires_action"
        return _STATUSES.get(finish_reason, "incomplete")

    def _usage(self) -> dict[str, Any]:
        heard = self._ask.prompt_tokens
        counted = _wishes(self._ask).counted
        return {
            "total_tokens": heard + self._spoken + self._thought,
            "total_input_tokens": heard,
            "input_tokens_by_modality": [{"modality": kind, "tokens": number} for kind, number in counted],
            "total_cached_tokens": 0,
            "total_output_tokens": self._spoken,
            "total_tool_use_tokens": 0,
            "total_thought_tokens": self._thought,
        }

    def _in(self, kind: str, head: dict[str, Any]) -> bytes:
        """Opens such a step, unless it is open."""
        if self._open == kind:
            return b""
        return self._signature_step() + self._close() + self._start(kind, head)

    def _signature_step(self) -> bytes:
        """Models that sign everything have a thought before the first word, whether they show thoughts or not."""
        return self._start("thought", {}) if self._signed and not self._steps else b""

    def _start(self, kind: str, head: dict[str, Any]) -> bytes:
        self._open, self._said = kind, []
        step = {"type": kind, **head}
        self._steps.append(step)
        return self._event("step.start", index=len(self._steps) - 1, step=step)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._event("step.delta", index=len(self._steps) - 1, delta=delta)

    def _close(self) -> bytes:
        """Finish the open step, if any."""
        if not self._open:
            return b""
        step, text, kind = self._steps[-1], "".join(self._said), self._open
        self._open, before = "", b""
        if kind == "thought":
            step["signature"] = self._signature()
            before = self._delta({"signature": step["signature"], "type": "thought_signature"})
            if text:
                step["summary"] = [{"text": text, "type": "text"}]
        elif kind == "model_output":
            step["content"] = [{"text": text, "type": "text"}]
        else:
            step["arguments"] = _arguments(text)
        return before + self._event("step.stop", index=len(self._steps) - 1)

    def _signature(self) -> str:
        made = hashlib.shake_256(f"{self._ask.digest} step {len(self._steps)}".encode()).digest(_SIGNATURE_BYTES)
        return base64.b64encode(made).decode()

    def _event(self, kind: str, **values: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        data = compact({**values, "event_id": f"evt_{number}", "event_type": kind}, self._escapes)
        return f"event: {kind}\ndata: {data}\n\n".encode()


def _arguments(text: str) -> dict[str, Any]:
    """The arguments of a call; of one that a limit of tokens cut, none."""
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _wishes(ask: Ask) -> InteractionWishes:
    assert isinstance(ask.extra, InteractionWishes)
    return ask.extra


def _escapes(ask: Ask) -> Escapes:
    return "ascii" if ask.script.ascii else "raw" if ask.script.raw else "google"
