"""Ollama's own chat and generate replies: lines of JSON, or one object.

A model's thoughts are its `thinking`, unless the request has `think: false`. A model refuses in words like any others.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, api/types.go and server/routes.go.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Headers
from chatproof.fake_providers.dialects.likelihoods import openai_logprob
from chatproof.fake_providers.dialects.schedule import Timeline
from chatproof.fake_providers.dialects.timed_reply import JSON, MOMENT, TIMING, Timing, go_json
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.script import Call, Fail

CHAT: Final = "/api/chat"
GENERATE: Final = "/api/generate"

_VOCABULARY: Final = 128_256
_MAX_CONTEXT: Final = 20_000  # characters
_TOO_LONG: Final = "the input length exceeds the context length"
_ERRORS: Final = {
    401: "unauthorized",
    403: "forbidden",
    404: "model '{model}' not found",
    429: "too many requests",
    500: "an error was encountered while running the model: unexpected EOF",
    503: "server busy, please try again.  maximum pending requests exceeded",
}


class Lines:
    """Writes a reply as Ollama does. `ask.flavour` is the path: chat says messages, generate says responses."""

    fragments = False
    silent = ()
    early_errors = True
    stream_headers: Headers = (("content-type", "application/x-ndjson"),)
    json_header = JSON

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._head = f'{{"model":{go_json(ask.model)},"created_at":"{MOMENT.decode()}",'

    def opening(self) -> bytes:
        return b""

    def token(self, text: str) -> bytes:
        return self._line(self._said(go_json(text, self._ask.script)), tokens=[text])

    refusal = token

    def thinking(self, text: str, first: bool) -> bytes:
        return self._line(self._said('""', thoughts=text))

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        return self._line(self._said('""', [self._called(index, Call(name, fragment or "{}"))]))

    def broken(self) -> bytes:
        said = self._said('"brok')
        return f"{self._head}{said[: said.index('brok') + 4]}\n".encode()

    def error(self, fail: Fail) -> bytes:
        return self.failure(500, fail) + b"\n"

    def closing(self, finish_reason: str) -> bytes:
        return self._line(self._said('""'), finish_reason)

    def timing(self, line: Timeline) -> bytes:
        """The metrics in Ollama's last object; like Go, it leaves zeros out."""
        fields: dict[str, Any] = {}
        if self._ask.flavour == GENERATE and self._ask.extra != "raw":
            fields["context"] = _context(self._ask, line)
        fields |= metrics(self._ask, line)
        return go_json({name: value for name, value in fields.items() if value})[1:-1].encode()

    def whole(self, line: Timeline) -> bytes:
        calls = [self._called(index, call) for index, call in enumerate(line.calls)]
        said = self._said(go_json(line.text + line.refusal, self._ask.script), calls, "".join(line.thoughts))
        return self._line(said, line.finish_reason, line.said).removesuffix(b"\n")

    def failure(self, status: int, fail: Fail) -> bytes:
        usual = _ERRORS.get(status, f"request failed: {status}").format(model=self._ask.model)
        text = fail.message or (_TOO_LONG if fail.code == "context_length_exceeded" else usual)
        return go_json({"error": text}, self._ask.script).encode()

    def _line(self, said: str, finish_reason: str | None = None, tokens: Sequence[str] = ()) -> bytes:
        likely = ""
        if self._ask.logprobs is not None and tokens:
            shown = [openai_logprob(token, self._ask.logprobs) for token in tokens]
            likely = f',"logprobs":{go_json(shown, self._ask.script)}'
        end = f'"done":false{likely}'
        if finish_reason is not None:
            reason = "length" if finish_reason == "length" else "stop"
            end = f'"done":true,"done_reason":"{reason}"{likely},{TIMING.decode()}'
        return f"{self._head}{said},{end}}}\n".encode()

    def _said(self, text: str, calls: list[dict[str, Any]] | None = None, thoughts: str = "") -> str:
        more = f',"thinking":{go_json(thoughts, self._ask.script)}' if thoughts else ""
        more += f',"tool_calls":{go_json(calls, self._ask.script)}' if calls else ""
        if self._ask.flavour == GENERATE:
            # Ollama puts a generated call after the end's fields; a line has either of them, so it is the same.
            return f'"response":{text}{more}'
        return f'"message":{{"role":"assistant","content":{text}{more}}}'

    def _called(self, index: int, call: Call) -> dict[str, Any]:
        function = {"index": index, "name": call.name, "arguments": json.loads(call.arguments)}
        return {"id": f"call_{self._ask.digest[index : index + 8]}", "function": function}


def metrics(ask: Ask, line: Timeline) -> dict[str, int]:
    """The durations in nanoseconds and the token counts of prompt and reply, in Ollama's order."""
    timing = Timing.of(line)
    return {
        "total_duration": timing.total,
        "load_duration": timing.load,
        "prompt_eval_count": ask.prompt_tokens,
        "prompt_eval_duration": timing.prompt,
        "eval_count": line.tokens,
        "eval_duration": timing.speech,
    }


def _context(ask: Ask, line: Timeline) -> list[int]:
    """The conversation's tokens as numbers, which a client sends with its next prompt; a long prompt is cut."""
    said = [*tokenizer.split(ask.text[:_MAX_CONTEXT], ask.vocabulary), *line.said]
    return [zlib.crc32(token.encode()) % _VOCABULARY for token in said]
