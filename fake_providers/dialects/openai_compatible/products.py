"""vLLM, llama.cpp and LM Studio: how each differs from OpenAI, and from the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Headers
from chatproof.fake_providers.dialects.openai_compatible import encoder
from chatproof.fake_providers.dialects.schedule import Timeline
from chatproof.fake_providers.dialects.timed_reply import TIMING, Timing
from chatproof.fake_providers.scripting.script import Call, Fail

_CONTEXT: Final = 32_768
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


class Vllm(encoder.Compatible):
    """vLLM: an integer error code, usage in every chunk on request, and fields of its own that are null.

    Source: vllm/entrypoints/openai/engine/protocol.py and chat_completion/serving.py of vLLM 0.11 and later. Thoughts:
    https://docs.vllm.ai/en/v0.26.0/features/reasoning_outputs/; older ones wrote `reasoning_content`.
    """

    PRODUCT = "vllm"
    OWNER = "vllm"
    CONTEXT = _CONTEXT
    TOO_LONG = (
        "This model's maximum context length is {most} tokens. However, your request has {tokens} input"
        " tokens. Please reduce the length of the input messages."
    )
    counts_thoughts = True
    stream_headers: Headers = (("content-type", "text/event-stream; charset=utf-8"),)
    json_header = ("content-type", "application/json")

    def opening(self) -> bytes:
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        return self._counted([choice], prompt_token_ids=None)

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None, tokens: Sequence[str] = ()) -> bytes:
        choice = {"index": 0, "delta": delta, **self.likely(tokens), "finish_reason": finish_reason}
        if finish_reason is not None:
            choice["stop_reason"] = self._stop_reason(finish_reason)
        return self._counted([choice | {"token_ids": None}])

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        if not first:
            return super().call(index, name, fragment, first)
        called = {"id": self.call_id(index), "type": "function", "index": index, "function": {"name": name}}
        return self.chunk({"tool_calls": [called]})

    def last_delta(self) -> dict[str, Any]:
        return {"content": ""}

    def error(self, fail: Fail) -> bytes:
        return super().error(replace(fail, end_mark=True))

    def whole(self, line: Timeline) -> bytes:
        choice = {"index": 0, "message": self.message(line), **self.likely(line.said)}
        choice["finish_reason"] = line.finish_reason
        completion = {
            **self.head("chat.completion"),
            "choices": [choice | {"stop_reason": self._stop_reason(line.finish_reason), "token_ids": None}],
            "service_tier": None,
            "system_fingerprint": None,
            "usage": self.usage(line.tokens, len(line.thoughts)) | {"prompt_tokens_details": None},
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "kv_transfer_params": None,
        }
        return self.dumps(completion).encode()

    def message(self, line: Timeline) -> dict[str, Any]:
        calls = [
            {key: value for key, value in self.called(index, call).items() if key != "index"}
            for index, call in enumerate(line.calls)
        ]
        content = None if calls and not (line.said or line.refused) else line.text + line.refusal
        empty = dict.fromkeys(("refusal", "annotations", "audio", "function_call"))
        return {
            "role": "assistant",
            "content": content,
            **empty,
            "tool_calls": calls,
            "reasoning": None,
        } | self.thoughts(line)

    def usage(self, said: int, thought: int) -> dict[str, Any]:
        heard = self.ask.prompt_tokens
        counts = {"prompt_tokens": heard, "total_tokens": heard + said, "completion_tokens": said}
        return counts | self.usage_details(thought)

    def call_id(self, index: int) -> str:
        return f"chatcmpl-tool-{self.ask.digest[:30]}{index:02x}"

    @classmethod
    def refused(cls, status: int, text: str, param: str | None, code: str | None, kind: str | None = None) -> bytes:
        if status == 401:
            return b'{"error":"Unauthorized"}'
        known = {400: "BadRequestError", 404: "NotFoundError", 500: "InternalServerError"}
        error = {
            "message": text,
            "type": kind or known.get(status, _PHRASES.get(status, "Error")),
            "param": param,
            "code": status,
        }
        return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def models(cls, names: list[str]) -> dict[str, Any]:
        allowed = dict.fromkeys(("create_engine", "search_indices", "fine_tuning"), False)
        allowed |= dict.fromkeys(("sampling", "logprobs", "view"), True)
        permission = {
            "id": "modelperm-00000000000000000000000000000000",
            "object": "model_permission",
            "created": encoder.CREATED,
            **{f"allow_{what}": is_allowed for what, is_allowed in allowed.items()},
            "organization": "*",
            "group": None,
            "is_blocking": False,
        }
        cards = super().models(names)
        for card in cards["data"]:
            card |= {"root": card["id"], "parent": None, "max_model_len": _CONTEXT, "permission": [permission]}
        return cards

    def _stop_reason(self, finish_reason: str) -> str | None:
        """The stop string that ended the reply."""
        return (self.ask.stopped_by or None) if finish_reason == "stop" else None

    def _counted(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        chunk = self.head() | {"choices": choices}
        if self.ask.extra == encoder.CONTINUOUS:
            chunk["usage"] = self.usage(self.said, self.thought)
        return self.event(chunk | more)


class LlamaCpp(encoder.Compatible):
    """llama.cpp's server: its timings, choices first, an integer error code.

    Source: tools/server/server-task.cpp, server-common.cpp and common/chat.cpp.
    """

    PRODUCT = "llamacpp"
    REASONING = "reasoning_content"
    OWNER = "llamacpp"
    FINGERPRINT = "b7000-c0ffee0"
    CONTEXT = _CONTEXT
    TOO_LONG = "request ({tokens} tokens) exceeds the available context size ({most} tokens), try increasing it"
    TOO_LONG_TYPE = "exceed_context_size_error"
    logprobs = False

    def opening(self) -> bytes:
        return self.chunk({"role": "assistant", "content": None})

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None, tokens: Sequence[str] = ()) -> bytes:
        choices = [{"finish_reason": finish_reason, "index": 0, "delta": delta, **self.likely(tokens)}]
        # The timings are in the last chunk: the usage's, where there is one.
        timed = finish_reason is not None and not self.ask.usage
        return self._event({"choices": choices, **self._tail()}, timed)

    def closing(self, finish_reason: str) -> bytes:
        end = self.chunk({}, finish_reason)
        if self.ask.usage:
            end += self._event({"choices": [], **self._tail(), "usage": self.usage(self.said, self.thought)}, True)
        return end + encoder.DONE

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        if not first:
            return super().call(index, name, fragment, first)
        function = {"name": name, "arguments": ""}
        called = {"index": index, "id": self.call_id(index), "type": "function", "function": function}
        return self.chunk({"tool_calls": [called]})

    def timing(self, line: Timeline) -> bytes:
        """llama.cpp's timings, in milliseconds; what is left out of a chunk without them stays out."""
        timing, heard = Timing.of(line), self.ask.prompt_tokens
        parts: dict[str, float] = {"cache_n": 0}
        for name, count, nanoseconds in (("prompt", heard, timing.prompt), ("predicted", line.tokens, timing.speech)):
            parts[f"{name}_n"] = count
            parts[f"{name}_ms"] = nanoseconds / 1e6
            parts[f"{name}_per_token_ms"] = round(nanoseconds / 1e6 / (count or 1), 9)
            parts[f"{name}_per_second"] = round(count / nanoseconds * 1e9, 6)
        return self.dumps(parts).encode()

    def whole(self, line: Timeline) -> bytes:
        choice = {"finish_reason": line.finish_reason, "index": 0, "message": self.message(line)}
        choice |= self.likely(line.said)
        tail = self._tail("chat.completion")
        del tail["id"]
        completion = {"choices": [choice], **tail, "usage": self.usage(line.tokens, len(line.thoughts)), "id": self.id}
        return f'{self.dumps(completion)[:-1]},"timings":{TIMING.decode()}}}'.encode()

    def called(self, index: int, call: Call) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments}
        return {"type": "function", "function": function, "id": self.call_id(index)}

    def usage(self, said: int, thought: int) -> dict[str, Any]:
        heard = self.ask.prompt_tokens
        counts = {"completion_tokens": said, "prompt_tokens": heard, "total_tokens": heard + said}
        return counts | {"prompt_tokens_details": {"cached_tokens": 0}}

    def call_id(self, index: int) -> str:
        return f"{self.ask.digest[:30]}{index:02x}"

    @classmethod
    def refused(cls, status: int, text: str, param: str | None, code: str | None, kind: str | None = None) -> bytes:
        known = {
            400: "invalid_request_error",
            401: "authentication_error",
            403: "permission_error",
            404: "not_found_error",
            501: "not_supported_error",
            503: "unavailable_error",
        }
        usual = "exceed_context_size_error" if code == "context_length_exceeded" else known.get(status, "server_error")
        error = {"code": status, "message": text, "type": kind or usual}
        return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def models(cls, names: list[str]) -> dict[str, Any]:
        meta = {"vocab_type": 2, "n_vocab": 128_256, "n_ctx_train": 131_072, "n_embd": 3_072, "n_params": 3_212_749_888}
        cards = super().models(names[:1])  # it serves one model
        for card in cards["data"]:
            card["meta"] = meta
        return cards

    def _tail(self, kind: str = "chat.completion.chunk") -> dict[str, Any]:
        tail = {"created": encoder.CREATED, "id": self.id, "model": self.ask.model}
        return tail | {"system_fingerprint": self.FINGERPRINT, "object": kind}

    def _event(self, value: dict[str, Any], timed: bool) -> bytes:
        text = self.dumps(value)
        return (
            f'data: {text[:-1]},"timings":{TIMING.decode()}}}\n\n'.encode() if timed else f"data: {text}\n\n".encode()
        )


class LmStudio(encoder.Compatible):
    """LM Studio: the model as fingerprint, the role in every chunk, empty stats, errors as an event of their own.

    Thoughts are `reasoning_content`, and `reasoning` with gpt-oss.

    Source: what its users report in lmstudio-ai/lmstudio-bug-tracker (issues 378, 676, 713 and 2335); it is not open.
    """

    PRODUCT = "lmstudio"
    OWNER = "organization_owner"
    TOO_LONG = "Context size has been exceeded."
    LIKELY = False
    opens = False
    roles = True
    counts_thoughts = True

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask)
        self.REASONING = "reasoning" if "gpt-oss" in ask.model else "reasoning_content"

    def thought_delta(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", self.REASONING: text}

    def head(self, kind: str = "chat.completion.chunk") -> dict[str, Any]:
        head = super().head(kind)
        return head | {"system_fingerprint": self.ask.model} if kind.endswith("chunk") else head

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        if first:
            return super().call(index, name, fragment, first)
        self.said += 1
        function = {"name": "", "arguments": fragment}
        return self.chunk({"tool_calls": [{"index": index, "type": "function", "function": function}]})

    def error(self, fail: Fail) -> bytes:
        return b"event: error\n" + super().error(fail)

    def whole(self, line: Timeline) -> bytes:
        completion = json.loads(super().whole(line))
        return self.dumps(completion | {"stats": {}, "system_fingerprint": self.ask.model}).encode()

    def message(self, line: Timeline) -> dict[str, Any]:
        calls = [self.called(index, call) for index, call in enumerate(line.calls)]
        for call in calls:
            del call["index"]
        said = {"role": "assistant", "content": line.text + line.refusal, **self.thoughts(line)}
        return said | {"tool_calls": calls}

    def call_id(self, index: int) -> str:
        return str(int(self.ask.digest[:8], 16) % 900_000_000 + 100_000_000 + index)

    @classmethod
    def refused(cls, status: int, text: str, param: str | None, code: str | None, kind: str | None = None) -> bytes:
        default = "invalid_request_error" if status < 500 else "internal_error"
        code = code or ("model_not_found" if status == 404 else None)
        error = {"message": text, "type": kind or default, "param": param, "code": code}
        return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def models(cls, names: list[str]) -> dict[str, Any]:
        data = [{"id": name, "object": "model", "owned_by": cls.OWNER} for name in names]
        return {"data": data, "object": "list"}


PRODUCTS: Final[dict[str, type[encoder.Compatible]]] = {
    product.PRODUCT: product for product in (LlamaCpp, LmStudio, encoder.OllamaCompatible, Vllm)
}
