"""OpenAI's chat completions: the chunks of a stream, and the completion in one piece.

Thoughts are never sent here: they only take time and count as reasoning_tokens.

Source: https://platform.openai.com/docs/api-reference/chat, https://platform.openai.com/docs/guides/reasoning, what the
official clients read, and the recorded streams in openai-python's tests (.inline-snapshot/external), refusals included.
"""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Reply
from chatproof.fake_providers.dialects.likelihoods import openai_logprob
from chatproof.fake_providers.dialects.openai.error_bodies import failure
from chatproof.fake_providers.dialects.openai.reply import CREATED, Whole, answer, digest, dumps, quoting
from chatproof.fake_providers.dialects.schedule import Timeline, play
from chatproof.fake_providers.scripting.script import Call, Fail
from chatproof.fake_providers.scripting.steps import Channel

_FINGERPRINT: Final = "fp_chatproof"
_DONE: Final = b"data: [DONE]\n\n"
_NO_TEXT: Final = '""'


def render(ask: Ask, kind: type[Chunks]) -> Reply:
    """`kind`: what writes the chunks of a stream; another API may add something to them."""
    thinks = ask.thinking != "none"
    if not ask.stream:
        line = play(ask.script, Whole(), ask.max_tokens, key=ask.key, thinks=thinks, vocabulary=ask.vocabulary)
        return answer(ask, line, lambda: _completion(ask, line), bytes)
    chunks = kind(ask)
    line = play(ask.script, chunks, ask.max_tokens, key=ask.key, thinks=thinks, vocabulary=ask.vocabulary)
    return answer(ask, line, bytes, lambda: chunks.broken()[:-2])


class Chunks:
    """Encodes the parts of a stream; text that is the same in all chunks is built once.

    With several choices each part is one chunk per choice: they all say the same.
    """

    fragments = True
    silent: tuple[Channel, ...] = ("thinking",)

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._quoted = quoting(ask.script)
        self._said = self._thought = 0
        head = {
            "id": f"chatcmpl-{digest(ask)}",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": ask.model,
            "service_tier": ask.tier,
            "system_fingerprint": _FINGERPRINT,
        }
        self._head = f"data: {dumps(head, ask.script)[:-1]}"
        self._tail = ',"usage":null}\n\n' if ask.usage else "}\n\n"
        self._before = [f'{self._head},"choices":[{{"index":{index},"delta":' for index in range(ask.choices)]
        self._after = self._ending()
        script = ask.script
        refuses = script.refusal and not script.text
        wordless = refuses or (script.calls and not script.text)
        self._empty = f'"content":{"null" if wordless else _NO_TEXT},"refusal":{_NO_TEXT if refuses else "null"}'

    def opening(self) -> bytes:
        return self._chunks(f'{{"role":"assistant",{self._empty}}}')

    def token(self, text: str) -> bytes:
        self._said += 1
        delta = f'{{"content":{self._quoted(text)}}}'
        if self._ask.logprobs is None:
            return self._chunks(delta)
        likely = dumps(_logprobs(self._ask, [text]), self._ask.script)
        shown = delta + self._ending(likely=likely)
        return "".join([before + shown for before in self._before]).encode()

    def thinking(self, text: str, first: bool) -> bytes:
        self._said += 1
        self._thought += 1
        return b""

    def refusal(self, text: str) -> bytes:
        self._said += 1
        return self._chunks(f'{{"refusal":{self._quoted(text)}}}')

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        if fragment is None:
            function = f'{{"name":{self._quoted(name)},"arguments":""}}'
            return b"".join(
                f'{before}{{"tool_calls":[{{"index":{index},"id":"{_call_id(self._ask, index, choice)}",'
                f'"type":"function","function":{function}}}]}}{self._after}'.encode()
                for choice, before in enumerate(self._before)
            )
        self._said += 1
        function = f'{{"arguments":{self._quoted(fragment)}}}'
        return self._chunks(f'{{"tool_calls":[{{"index":{index},"function":{function}}}]}}')

    def broken(self) -> bytes:
        return f'{self._before[0]}{{"content":"brok\n\n'.encode()

    def error(self, fail: Fail) -> bytes:
        return b"data: %b\n\n%b" % (failure(500, fail, self._ask.model), _DONE if fail.end_mark else b"")

    def closing(self, finish_reason: str) -> bytes:
        self._after = self._ending(f'"{finish_reason}"')
        end = self._chunks("{}")
        if self._ask.usage:
            usage = dumps(_usage(self._ask, self._said, self._thought), self._ask.script)
            end += f'{self._head},"choices":[],"usage":{usage}}}\n\n'.encode()
        return end + _DONE

    def _ending(self, finish_reason: str = "null", likely: str = "null") -> str:
        """What follows a delta, up to the end of its chunk. Both are JSON."""
        return f',"logprobs":{likely},"finish_reason":{finish_reason}{self.annotation(finish_reason)}}}]{self._tail}'

    def annotation(self, finish_reason: str) -> str:
        """Further fields of a choice: `,"name":value`."""
        return ""

    def _chunks(self, delta: str) -> bytes:
        rest = delta + self._after
        return "".join([before + rest for before in self._before]).encode()


def _completion(ask: Ask, line: Timeline) -> bytes:
    completion = {
        "id": f"chatcmpl-{digest(ask)}",
        "object": "chat.completion",
        "created": CREATED,
        "model": ask.model,
        "choices": [
            {
                "index": index,
                "message": _message(ask, line, index),
                "logprobs": _logprobs(ask, line.said),
                "finish_reason": line.finish_reason,
            }
            for index in range(ask.choices)
        ],
        "usage": _usage(ask, line.tokens, len(line.thoughts)),
        "service_tier": ask.tier,
        "system_fingerprint": _FINGERPRINT,
    }
    return dumps(completion, ask.script).encode()


def _message(ask: Ask, line: Timeline, choice: int) -> dict[str, Any]:
    content = None if (line.calls or line.refused) and not line.said else line.text
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": line.refusal or None}
    message["annotations"] = []
    if line.calls:
        message["tool_calls"] = [_called(ask, call, index, choice) for index, call in enumerate(line.calls)]
    return message


def _logprobs(ask: Ask, tokens: list[str]) -> dict[str, Any] | None:
    if ask.logprobs is None or not tokens:
        return None
    return {"content": [openai_logprob(token, ask.logprobs) for token in tokens], "refusal": None}


def _called(ask: Ask, call: Call, index: int, choice: int) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": _call_id(ask, index, choice), "type": "function", "function": function}


def _call_id(ask: Ask, index: int, choice: int) -> str:
    """An id that is unique in the reply; like the real API's, it has 24 characters after the prefix."""
    return f"call_{digest(ask)[:20]}{choice:02x}{index:02x}"


def _usage(ask: Ask, said: int, thought: int) -> dict[str, Any]:
    completion = said * ask.choices
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": ask.prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": thought * ask.choices,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
