"""Asks for wires without a server: what a request of each form gets, and what the recorder's reader makes of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chatproof.fake_providers.dialects.base import IncomingRequest
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.planner import Answer, Planner
from chatproof.fake_providers.record import reply_decoder as decoder
from chatproof.fake_providers.record.reply_part import Failed, Finished, Malformed, ReplyPart, TextPart, ToolCallPart
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.wire_table import FORMS, Form, wires_of

HEADERS: Final = {
    "authorization": "Bearer k",
    "x-goog-api-key": "k",
    "anthropic-version": "2023-06-01",
    "accept-encoding": "gzip",
}
PAIRS: Final = [(form, wire) for form in FORMS for wire in wires_of(form)]
_GOOGLE: Final = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
_PATHS: Final[Mapping[Form, str]] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "gemini": f"{_GOOGLE}?alt=sse",
    "gemini-array": _GOOGLE,
    "messages": "/v1/messages",
    "ollama": "/api/chat",
}


def asking(form: Form, text: str, *, stream: bool = True, path: str = "", **more: Any) -> IncomingRequest:
    """The request of the form's client with that message. `path`: another one than the form's usual."""
    body: dict[str, Any] = {"model": "llama3.2" if form == "ollama" or path else "gpt-4o", "stream": stream}
    if form == "responses":
        body["input"] = text
    else:
        body["messages"] = [{"role": "user", "content": text}]
    if form == "messages":
        thinks = {"type": "enabled", "budget_tokens": 1_024}
        body = {**body, "model": "claude-haiku-4-5", "max_tokens": 64_000, "thinking": thinks}
    elif form in ("gemini", "gemini-array"):
        body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    return as_request("POST", path or _PATHS[form], dict(HEADERS), json.dumps({**body, **more}).encode())


def answered(planner: Planner, request: IncomingRequest) -> Answer:
    return planner.answer(request, chunks_allowed=True, keep_alive=True)


@dataclass
class Heard:
    """A reply as a client without a parser of its own gets it: its head, and its body without HTTP's framing."""

    head: str
    body: bytes

    @classmethod
    def of(cls, answer: Answer) -> Heard:
        raw = b"".join(write.payload for write in answer.plan.writes)
        head, _, rest = raw.partition(b"\r\n\r\n")
        body = _unchunked(rest) if b"transfer-encoding: chunked" in head else rest
        return cls(head.decode(), gzip.decompress(body) if b"content-encoding: gzip" in head else body)

    @property
    def status(self) -> int:
        return int(self.head.split(" ", 2)[1])

    def header(self, name: str) -> str:
        return next(line.partition(": ")[2] for line in self.head.split("\r\n") if line.startswith(f"{name}: "))

    def parts(self, request: IncomingRequest) -> list[ReplyPart]:
        """What the recorder's reader understands."""
        parser = decoder.parser_for(request.path)
        assert parser is not None
        form = decoder.form_of(self.header("content-type"), request.path, request.query)
        return [part for value in decoder.ValueDecoder(form).feed(self.body, True) for part in parser.hear(value)]


def said(parts: list[ReplyPart]) -> str:
    """The answer, and the refusal to give one."""
    return "".join(part.text for part in parts if isinstance(part, TextPart) and part.channel != "thinking")


def thought(parts: list[ReplyPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart) and part.channel == "thinking")


def called(parts: list[ReplyPart]) -> list[tuple[str, Any]]:
    """(name, arguments) of each tool call."""
    calls: dict[int, list[str]] = {}
    for part in parts:
        if isinstance(part, ToolCallPart):
            whole = part.index < 0  # a call in one piece has no number
            call = calls.setdefault(-1 - len(calls) if whole else part.index, ["", ""])
            call[0], call[1] = call[0] + part.name, call[1] + part.fragment
    return [(name, json.loads(arguments)) for name, arguments in calls.values()]


def reads_whole(answer: Answer, request: IncomingRequest, script: Script) -> None:
    """Asserts that the reply says the script, and that the journal counts it so."""
    parts = Heard.of(answer).parts(request)
    assert said(parts) == script.text + script.refusal
    assert called(parts) == [(call.name, json.loads(call.arguments)) for call in script.calls]
    assert [part for part in parts if isinstance(part, Malformed | Failed)] == []
    assert [type(part) for part in parts].count(Finished) == 1
    assert "".join(text for _, _, text, _ in answer.plan.sent) == script.text
    dues = [write.due for write in answer.plan.writes]
    assert dues == sorted(dues)


def _unchunked(rest: bytes) -> bytes:
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
    return body
