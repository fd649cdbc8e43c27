"""OpenAI's text completions: the chunks of a stream, and the completion in one piece.

A chunk has the same shape as the whole. Thoughts only take time; a refusal is text, and a tool cannot be called.

Source: https://platform.openai.com/docs/api-reference/completions/object, and what the official client reads.
"""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Reply
from chatproof.fake_providers.dialects.likelihoods import likelihoods
from chatproof.fake_providers.dialects.openai.error_bodies import failure, refusal
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.reply import CREATED, Whole, answer, digest, dumps
from chatproof.fake_providers.dialects.openai.text_completions import PromptTexts
from chatproof.fake_providers.dialects.schedule import Timeline, play
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.script import Fail
from chatproof.fake_providers.scripting.steps import Channel

_DONE: Final = b"data: [DONE]\n\n"
_MOST_CHUNKS: Final = 500_000
"""The limit for tokens times choices of a reply, so that no request exhausts the memory."""


def render(ask: Ask) -> Reply:
    """The reply to a valid request for text completions."""
    if ask.script.calls:
        text = f"The script {ask.script.name!r} calls a tool, and text completions cannot: chat completions can."
        return refusal(400, Problem(text, "prompt", "unplayable"))
    chunks = TextChunks(ask)
    if chunks.choices * max(1, len(ask.script.tokens)) > _MOST_CHUNKS:
        text = f"The fake provider gives at most {_MOST_CHUNKS:,} tokens over all choices: ask for fewer."
        return refusal(400, Problem(text, "n", "invalid_value"))
    line = play(ask.script, chunks if ask.stream else Whole(), ask.max_tokens, key=ask.key, vocabulary=ask.vocabulary)
    return answer(ask, line, lambda: _completion(ask, line, chunks), lambda: chunks.broken()[:-2])


class TextChunks:
    """Encodes the parts of a stream. Each part is one chunk per choice: they all say the same."""

    fragments = True
    silent: tuple[Channel, ...] = ("thinking",)

    def __init__(self, ask: Ask) -> None:
        assert isinstance(ask.extra, PromptTexts)
        self._ask = ask
        self._prompts = ask.extra
        self._said = 0
        self._offsets = [len(prompt) for prompt in self._echoes()]
        self.choices = len(ask.extra.prompts) * ask.choices

    def head(self) -> dict[str, Any]:
        ids = {"id": f"cmpl-{digest(self._ask)}", "object": "text_completion", "created": CREATED}
        return {**ids, "model": self._ask.model}

    def opening(self) -> bytes:
        """The prompts, where they are echoed."""
        if not self._prompts.echo:
            return b""
        return b"".join(self._chunk(index, text) for index, text in enumerate(self._echoes()))

    def token(self, text: str) -> bytes:
        self._said += 1
        chunks = [self._chunk(index, text) for index in range(self.choices)]
        self._offsets = [offset + len(text) for offset in self._offsets]
        return b"".join(chunks)

    refusal = token

    def thinking(self, text: str, first: bool) -> bytes:
        self._said += 1
        return b""

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        raise AssertionError("a script with calls is refused before")

    def broken(self) -> bytes:
        return f'data: {dumps(self.head(), self._ask.script)[:-1]},"choices":[{{"text":"brok\n\n'.encode()

    def error(self, fail: Fail) -> bytes:
        return b"data: %b\n\n%b" % (failure(500, fail, self._ask.model), _DONE if fail.end_mark else b"")

    def closing(self, finish_reason: str) -> bytes:
        end = b"".join(self._chunk(index, "", finish_reason) for index in range(self.choices))
        if self._ask.usage and self._ask.stream:
            end += self._event({**self.head(), "choices": [], "usage": self.usage(self._said)})
        return end + _DONE

    def choice(self, index: int, texts: list[str], offset: int, finish_reason: str | None) -> dict[str, Any]:
        """A choice of these tokens, which begin at `offset` of the whole text."""
        likely = None if self._ask.logprobs is None or not texts else _logprobs(texts, offset, self._ask.logprobs)
        return {"text": "".join(texts), "index": index, "logprobs": likely, "finish_reason": finish_reason}

    def whole(self, line: Timeline, index: int) -> dict[str, Any]:
        """A finished choice."""
        echoed, reason = self._echoes()[index], "stop" if line.finish_reason == "tool_calls" else line.finish_reason
        choice = self.choice(index, [*line.said, *line.refused], len(echoed), reason)
        if not echoed:
            return choice
        prompt = self.choice(index, list(tokenizer.split(echoed, self._ask.vocabulary)), 0, reason)
        return {**choice, "text": echoed + choice["text"], "logprobs": _joined(prompt["logprobs"], choice["logprobs"])}

    def usage(self, said: int) -> dict[str, int]:
        heard, spoken = self._ask.prompt_tokens, said * self.choices
        return {"prompt_tokens": heard, "completion_tokens": spoken, "total_tokens": heard + spoken}

    def _echoes(self) -> list[str]:
        """What each choice begins with."""
        prompts = [prompt if isinstance(prompt, str) and self._prompts.echo else "" for prompt in self._prompts.prompts]
        return [prompt for prompt in prompts for _ in range(self._ask.choices)]

    def _chunk(self, index: int, text: str, finish_reason: str | None = None) -> bytes:
        choice = self.choice(index, [text] if text else [], self._offsets[index], finish_reason)
        return self._event({**self.head(), "choices": [choice], **({"usage": None} if self._ask.usage else {})})

    def _event(self, value: dict[str, Any]) -> bytes:
        return f"data: {dumps(value, self._ask.script)}\n\n".encode()


def _completion(ask: Ask, line: Timeline, chunks: TextChunks) -> bytes:
    choices = [chunks.whole(line, index) for index in range(chunks.choices)]
    return dumps({**chunks.head(), "choices": choices, "usage": chunks.usage(line.tokens)}, ask.script).encode()


def _logprobs(tokens: list[str], offset: int, top: int) -> dict[str, Any]:
    found = [likelihoods(token, top) for token in tokens]
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    return {
        "tokens": tokens,
        "token_logprobs": [said[1] for said, *_ in found],
        "top_logprobs": [dict(candidates) for _, *candidates in found],
        "text_offset": offsets,
    }


def _joined(prompt: dict[str, Any] | None, said: dict[str, Any] | None) -> dict[str, Any] | None:
    """The log probabilities of a prompt, whose first token has none, and of what follows it."""
    if prompt is None:
        return said
    first = {"token_logprobs": None, "top_logprobs": None}
    return {
        name: [*([first[name]] if name in first else values[:1]), *values[1:], *(said or {}).get(name, [])]
        for name, values in prompt.items()
    }
