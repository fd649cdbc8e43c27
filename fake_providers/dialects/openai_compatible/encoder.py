"""Encodes OpenAI's chat completions as local servers do: what they have in common.

Their models' thoughts are a field of the message, `reasoning` or `reasoning_content` by product. They refuse in words
like any others: no local server fills `refusal`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Headers
from chatproof.fake_providers.dialects.likelihoods import openai_logprob
from chatproof.fake_providers.dialects.ollama.missing_abilities import speech_problem
from chatproof.fake_providers.dialects.schedule import Timeline
from chatproof.fake_providers.dialects.timed_reply import JSON, go_json
from chatproof.fake_providers.models.catalogue import Model
from chatproof.fake_providers.scripting.script import Call, Fail
from chatproof.fake_providers.scripting.steps import Channel

CREATED: Final = 1_700_000_000  # fixed: the same request has the same bytes on every day
DONE: Final = b"data: [DONE]\n\n"
CONTINUOUS: Final = "continuous_usage_stats"

_MESSAGES: Final = {
    400: "The request is malformed.",
    401: "Invalid API Key",
    403: "Forbidden",
    404: "The model `{model}` does not exist.",
    429: "Too many requests",
    500: "The server had an error while generating the reply.",
    503: "The server is busy, please try again later.",
}


class Compatible:
    """Writes a reply as OpenAI-compatible servers do. Each product has a class of its own for what differs.

    A product says with its class attributes what it lacks: `roles`, is the role in every chunk; `opens`, is there a
    chunk before the first token; `logprobs`, has a choice that field where nobody asked; `LIKELY`, does it answer where
    somebody asks; `counts_thoughts`, does the usage say how many tokens were thoughts. `REASONING`: the message's field
    for them. `CONTEXT`: the most tokens of a prompt (None: it cuts longer ones); `TOO_LONG`: the error for more, with
    {tokens} and {most}.
    """

    PRODUCT = ""
    OWNER = ""
    LIKELY = True
    CONTEXT: int | None = None
    TOO_LONG = "The input length exceeds the context length."
    TOO_LONG_TYPE: str | None = None
    NO_EMBEDDINGS = "The model does not support Embeddings API"
    FINGERPRINT: str | None = None
    REASONING = "reasoning"
    fragments = True
    early_errors = False
    stream_headers: Headers = (("content-type", "text/event-stream"), ("cache-control", "no-cache"))
    json_header = JSON
    opens = True
    roles = False
    logprobs = True
    counts_thoughts = False

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.said = self.thought = 0
        self.silent: tuple[Channel, ...] = ("thinking",) if ask.thinking == "hidden" else ()

    # the stream

    def opening(self) -> bytes:
        return self.chunk({"role": "assistant", "content": ""}) if self.opens else b""

    def token(self, text: str) -> bytes:
        self.said += 1
        return self.chunk(self._delta(content=text), tokens=[text])

    def refusal(self, text: str) -> bytes:
        return self.token(text)

    def thinking(self, text: str, first: bool) -> bytes:
        self.said += 1
        self.thought += 1
        return b"" if self.silent else self.chunk(self.thought_delta(text))

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        if first:
            return self.chunk(self._delta(tool_calls=[self.called(index, Call(name, fragment or ""))]))
        self.said += 1
        return self.chunk({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]})

    def broken(self) -> bytes:
        text = self.dumps({"id": self.id, "object": "chat.completion.chunk", "created": CREATED})[:-1]
        return f'data: {text},"choices":[{{"index":0,"delta":{{"content":"brok\n\n'.encode()

    def error(self, fail: Fail) -> bytes:
        return b"data: %b\n\n%b" % (self.failure(500, fail), DONE if fail.end_mark else b"")

    def closing(self, finish_reason: str) -> bytes:
        end = self.chunk(self.last_delta(), finish_reason)
        if self.ask.usage:
            end += self.event(self.head() | {"choices": [], "usage": self.usage(self.said, self.thought)})
        return end + DONE

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None, tokens: Sequence[str] = ()) -> bytes:
        """`tokens`: those whose log probabilities it shows, if they were asked for."""
        choice: dict[str, Any] = {"index": 0, "delta": delta, **self.likely(tokens)}
        return self.event(self.head() | {"choices": [choice | {"finish_reason": finish_reason}]})

    def thought_delta(self, text: str) -> dict[str, Any]:
        return self._delta(**{self.REASONING: text})

    def likely(self, tokens: Sequence[str]) -> dict[str, Any]:
        """The field `logprobs` of a choice with these tokens; nothing where the product leaves it out."""
        if self.ask.logprobs is None or not tokens:
            return {"logprobs": None} if self.logprobs else {}
        return {"logprobs": {"content": [openai_logprob(token, self.ask.logprobs) for token in tokens]}}

    def last_delta(self) -> dict[str, Any]:
        """The extra fields of the chunk with the finish reason."""
        return {}

    # the rest

    def timing(self, line: Timeline) -> bytes:
        return b""

    def whole(self, line: Timeline) -> bytes:
        choice: dict[str, Any] = {"index": 0, "message": self.message(line), **self.likely(line.said)}
        completion = {**self.head("chat.completion"), "choices": [choice | {"finish_reason": line.finish_reason}]}
        return self.dumps(completion | {"usage": self.usage(line.tokens, len(line.thoughts))}).encode()

    def message(self, line: Timeline) -> dict[str, Any]:
        calls = [self.called(index, call) for index, call in enumerate(line.calls)]
        message = {"role": "assistant", "content": line.text + line.refusal, **self.thoughts(line)}
        return message | ({"tool_calls": calls} if calls else {})

    def thoughts(self, line: Timeline) -> dict[str, Any]:
        """The message's field with the model's thoughts; nothing where it has none to show."""
        return {self.REASONING: "".join(line.thoughts)} if line.thoughts and not self.silent else {}

    def failure(self, status: int, fail: Fail) -> bytes:
        usual = _MESSAGES.get(status, f"Request failed: {status}.").format(model=self.ask.model)
        too_long = fail.code == "context_length_exceeded"
        text = fail.message or (self.beyond((self.CONTEXT or 0) + 1) if too_long else usual)
        return self.refused(
            status, text, fail.param, fail.code, fail.type or (self.TOO_LONG_TYPE if too_long else None)
        )

    @classmethod
    def refused(cls, status: int, text: str, param: str | None, code: str | None, kind: str | None = None) -> bytes:
        """The body of an error; `code` and `kind` are OpenAI's; a product may use its own."""
        raise NotImplementedError

    @classmethod
    def missing(cls, model: Model, body: dict[str, Any]) -> str | None:
        """What this model cannot do of a valid chat request: the text of a 400. Not asked where any model will do."""
        return None if "completion" in model.can else "The model does not support Chat Completions API"

    @classmethod
    def too_long(cls, tokens: int) -> str | None:
        """The text of a 400 for a prompt of so many tokens; None where the product takes it."""
        return None if cls.CONTEXT is None or tokens <= cls.CONTEXT else cls.beyond(tokens)

    @classmethod
    def beyond(cls, tokens: int) -> str:
        return cls.TOO_LONG.format(tokens=tokens, most=cls.CONTEXT)

    @classmethod
    def models(cls, names: list[str]) -> dict[str, Any]:
        """The body of /v1/models."""
        data = [{"id": name, "object": "model", "created": CREATED, "owned_by": cls.OWNER} for name in names]
        return {"object": "list", "data": data}

    # parts

    @property
    def id(self) -> str:
        return f"chatcmpl-{self.ask.digest[:32]}"

    def head(self, kind: str = "chat.completion.chunk") -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": CREATED, "model": self.ask.model}
        return head if self.FINGERPRINT is None else head | {"system_fingerprint": self.FINGERPRINT}

    def called(self, index: int, call: Call) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": self.call_id(index), "type": "function", "index": index, "function": function}

    def call_id(self, index: int) -> str:
        return f"call_{self.ask.digest[:22]}{index:02x}"

    def usage(self, said: int, thought: int) -> dict[str, Any]:
        """`said`: all tokens of the reply, of which `thought` are thoughts."""
        heard = self.ask.prompt_tokens
        counts = {"prompt_tokens": heard, "completion_tokens": said, "total_tokens": heard + said}
        return counts | self.usage_details(thought)

    def usage_details(self, thought: int) -> dict[str, Any]:
        """The number of thoughts, which most products leave out."""
        return {"completion_tokens_details": {"reasoning_tokens": thought}} if thought and self.counts_thoughts else {}

    def event(self, value: dict[str, Any]) -> bytes:
        return f"data: {self.dumps(value)}\n\n".encode()

    def dumps(self, value: object) -> str:
        return json.dumps(value, ensure_ascii=self.ask.script.ascii, separators=(",", ":"))

    def _delta(self, **delta: Any) -> dict[str, Any]:
        if not self.roles:
            return delta
        return {"role": "assistant", **({} if "content" in delta else {"content": ""}), **delta}


class OllamaCompatible(Compatible):
    """Ollama's /v1: every chunk has the role, a call comes in one piece. Source: ollama's openai/openai.go."""

    PRODUCT = "ollama"
    OWNER = "library"
    NO_EMBEDDINGS = "this model does not support embeddings"
    FINGERPRINT = "fp_ollama"
    TOO_LONG = "the input length exceeds the context length"
    fragments = False
    opens = False
    roles = True
    logprobs = False

    @property
    def id(self) -> str:
        return f"chatcmpl-{int(self.ask.digest[:8], 16) % 999}"

    def thought_delta(self, text: str) -> dict[str, Any]:
        return self._delta(**{self.REASONING: text})

    def last_delta(self) -> dict[str, Any]:
        return {"role": "assistant", "content": ""}

    def called(self, index: int, call: Call) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": f"call_{self.ask.digest[index : index + 8]}", "index": index, "type": "function"} | {
            "function": function
        }

    def dumps(self, value: object) -> str:
        return go_json(value, self.ask.script)

    @classmethod
    def missing(cls, model: Model, body: dict[str, Any]) -> str | None:
        effort = body.get("reasoning_effort")
        own = {"think": effort not in (None, "none"), "tools": body.get("tools"), "images": _has_images(body)}
        return speech_problem(model, body["model"], own, "chat")

    @classmethod
    def refused(cls, status: int, text: str, param: str | None, code: str | None, kind: str | None = None) -> bytes:
        known = {400: "invalid_request_error", 404: "not_found_error"}
        error = {"message": text, "type": kind or known.get(status, "api_error"), "param": None, "code": None}
        return go_json({"error": error}).encode()


def _has_images(body: dict[str, Any]) -> bool:
    contents = [message.get("content") for message in body["messages"]]
    return any(part["type"] == "image_url" for content in contents if isinstance(content, list) for part in content)
