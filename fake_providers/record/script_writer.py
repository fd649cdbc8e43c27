"""Turns a provider's recorded reply and its times into a script that says the same at the same pace."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal

from chatproof.fake_providers.record.reply_decoder import ReplyParser, ValueDecoder, failure, form_of
from chatproof.fake_providers.record.reply_part import (
    Blocked,
    Failed,
    Finished,
    HiddenThoughts,
    Malformed,
    ReplyPart,
    TextPart,
    ToolCallPart,
)
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.steps import Channel
from chatproof.harness.common.redaction import without_secrets

Ending = Literal["complete", "close", "cut", "reset", "garbage", "stall"]
"""How the reply ended. "stall": the client gave up waiting."""

_MOST_THOUGHTS: Final = 50_000
_TEXT: Final = re.compile(r'"(?:content|text|response)"\s*:\s*"((?:[^"\\]|\\.)+)')


@dataclass(slots=True)
class _Utterance:
    """Tokens that arrived together at the time `at`; no tokens: a malformed event. `begins`: a step of its own."""

    at: float
    tokens: tuple[str, ...]
    call: int | None = None
    channel: Channel = "text"
    begins: bool = False


@dataclass(slots=True)
class _Call:
    name: str
    arguments: str = ""
    first: float = 0.0
    last: float = 0.0


@dataclass
class Recording:
    """One exchange. Times are in seconds since the request was sent.

    `secrets`: texts that must not be written, even where the provider repeats them. `match`: a regular expression
    for the message that picks the script. `after_tool`: the request ends with a tool's result.
    """

    about: str
    secrets: tuple[str, ...] = ()
    match: str | None = None
    after_tool: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    _listener: ReplyParser | None = None
    _decoder: ValueDecoder | None = None
    _whole: bool = False
    _raw: bytes = b""
    _items: list[tuple[float, ReplyPart]] = field(default_factory=list)
    _finished: bool = False

    def begin(self, status: int, headers: Mapping[str, str], listener: ReplyParser, path: str, query: str) -> None:
        """Take the reply's head; header names in lower case."""
        self.status, self.headers, self._listener = status, headers, listener
        if status < 400:
            form = form_of(headers.get("content-type", ""), path, query)
            self._whole = form == "whole"
            self._decoder = ValueDecoder(form)

    def feed(self, data: bytes, at: float, final: bool = False) -> None:
        """Take bytes of the body that arrived at `at`."""
        if self._decoder is None or self._whole:
            self._raw += data
        if self._decoder is None or self._listener is None:
            return
        for value in self._decoder.feed(data, final):
            if isinstance(value, ValueError):
                # A broken unstreamed body has no usable part; in a stream, the events around a broken one do.
                heard: list[ReplyPart] = [] if self._whole else [Malformed()]
            else:
                heard = self._listener.hear(value)
            for one in heard:
                self._finished = self._finished or isinstance(one, Finished | Blocked | Failed)
                self._items.append((at, one))

    def toml(self, ending: Ending, at: float) -> str:
        """The script as TOML. `ending`: how the connection ended, at the time `at`."""
        if self._whole and not self._items and self._raw:
            self._items.append((at, TextPart(_torn_text(self._raw))))
        lines = [f"about = {_quoted(self._clean(self.about))}"]
        if ending == "complete" and not self._finished and (self.status or 0) < 400:
            ending = "close"
        text = [*lines, *self._body(ending, at)]
        if self.match is not None:
            text += ["", "[match]", f"message = {_quoted(self.match)}"]
            if self.after_tool or self._utterances()[1]:
                text.append(f"after_tool = {str(self.after_tool).lower()}")
        return "\n".join([*text, ""])

    @property
    def said(self) -> int:
        return sum(len(utterance.tokens) for utterance in self._utterances()[0])

    def _body(self, ending: Ending, at: float) -> Iterator[str]:
        if self.status is not None and self.status >= 400:
            yield from _timing(at, [])
            yield from ["", "[[steps]]", 'fault = "status"', *self._status()]
            return
        utterances, calls = self._utterances()
        reason = next((heard.reason for _, heard in self._items if isinstance(heard, Finished)), None)
        blocked = next((heard.reason for _, heard in self._items if isinstance(heard, Blocked)), None)
        failed = next((heard for _, heard in self._items if isinstance(heard, Failed)), None)
        if reason is not None and reason != "stop":
            yield f"finish_reason = {_quoted(reason)}"
        if blocked is not None:
            yield f"blocked = {_quoted(blocked)}"
        ends = [when for when, heard in self._items if isinstance(heard, Finished | Blocked | Failed)]
        yield from _timing(*_delays(utterances, calls, ends[-1] if ends else at))
        yield from self._steps(utterances, calls)
        if failed is not None:
            yield from ["", "[[steps]]", 'fault = "error"', *self._failure(failed)]
        elif ending != "complete":
            yield from ["", "[[steps]]", f'fault = "{ending}"']
        elif not utterances and blocked is None:
            yield from ["", "[[steps]]", 'text = ""']

    def _utterances(self) -> tuple[list[_Utterance], list[_Call]]:
        """All utterances in their order; each tool call whole, where it began."""
        utterances: list[_Utterance] = []
        calls: list[_Call] = []
        known: dict[int, _Call] = {}
        begins = False
        for at, heard in self._items:
            if isinstance(heard, TextPart):
                if heard.text:
                    tokens = tokenizer.split(heard.text) if self._whole else (heard.text,)
                    utterances.append(_Utterance(at, tokens, channel=heard.channel, begins=begins))
                begins = not heard.text
            elif isinstance(heard, Malformed):
                utterances.append(_Utterance(at, ()))
            elif isinstance(heard, ToolCallPart):
                call = known.get(heard.index)
                if call is None or heard.index < 0:
                    call = _Call(heard.name, first=at)
                    known[heard.index] = call
                    calls.append(call)
                    utterances.append(_Utterance(at, (), len(calls) - 1))
                call.arguments, call.last = call.arguments + heard.fragment, at
        for utterance in utterances:
            if utterance.call is not None:
                call = calls[utterance.call]
                call.arguments = call.arguments if isinstance(_json(call.arguments), dict) else "{}"
                utterance.tokens = tokenizer.split(call.arguments)
        return utterances, calls

    def _steps(self, utterances: list[_Utterance], calls: list[_Call]) -> Iterator[str]:
        yield from self._hidden_thoughts(utterances)
        run: list[str] = []
        channel: Channel = "text"
        for utterance in [*utterances, None]:
            words = utterance.tokens if utterance is not None and utterance.call is None else ()
            if run and (utterance is None or not words or utterance.begins or utterance.channel != channel):
                yield from ["", "[[steps]]", f"{'tokens' if channel == 'text' else channel} = ["]
                yield from (f"  {_quoted(token)}," for token in self._clean_run(run))
                yield "]"
                run = []
            if utterance is None:
                return
            if words:
                run, channel = [*run, *words], utterance.channel
            elif utterance.call is not None:
                call = calls[utterance.call]
                yield from ["", "[[steps]]", f"tool_call = {_quoted(call.name)}"]
                yield f"arguments = {_quoted(self._clean(call.arguments))}"
            else:
                yield from ["", "[[steps]]", 'fault = "malformed"']

    def _hidden_thoughts(self, utterances: list[_Utterance]) -> Iterator[str]:
        """As many tokens as the model thought without showing them: they take the time before the first token."""
        hidden = max((heard.tokens for _, heard in self._items if isinstance(heard, HiddenThoughts)), default=0)
        if hidden and not any(utterance.channel == "thinking" for utterance in utterances):
            yield from ["", "[[steps]]", 'thinking = "."', f"repeat = {min(hidden, _MOST_THOUGHTS)}"]
            yield from ["inter_token_ms = 0", "", "[[steps]]", "wait_ms = 0"]

    def _status(self) -> Iterator[str]:
        yield f"status = {self.status}"
        for header, key, high in (("retry-after", "retry_after_s", 3600), ("retry-after-ms", "retry_after_ms", 3.6e6)):
            value = self.headers.get(header, "")
            if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value) and float(value) <= high:
                yield f"{key} = {value}"
        raw = _json(self._raw)
        error = failure(raw[0] if isinstance(raw, list) and raw else raw)  # Gemini's array form has a list here too
        if error.retry_after_s is not None and "retry-after" not in self.headers:
            yield f"retry_after_ms = {error.retry_after_s * 1000:g}"
        if not self._raw:
            yield 'body = "empty"'
        elif "html" in self.headers.get("content-type", ""):
            yield 'body = "html"'
        else:
            yield from self._failure(error)

    def _failure(self, failed: Failed) -> Iterator[str]:
        for key in ("message", "type", "code"):
            if value := getattr(failed, key):
                yield f"{key} = {_quoted(self._clean(value))}"

    def _clean(self, text: str) -> str:
        return without_secrets(text, self.secrets)

    def _clean_run(self, run: list[str]) -> list[str]:
        """The tokens without secrets, which may lie across several; as many, where there are characters enough."""
        joined = "".join(run)
        clean = self._clean(joined)
        if clean == joined:
            return run
        size = -(-len(clean) // len(run))
        return [clean[start : start + size] for start in range(0, len(clean), size)]


def _delays(utterances: list[_Utterance], calls: list[_Call], end: float) -> tuple[float, list[float]]:
    """The first delay, and those after it: one for each token, then one for the end."""
    times: list[float] = []
    for utterance in utterances:
        count = max(len(utterance.tokens), 1)
        first = last = utterance.at
        if utterance.call is not None:
            last = calls[utterance.call].last
        # Its arguments are played in our tokens, not in the fragments seen: as many as fit evenly in its time.
        step = (last - first) / (count - 1) if count > 1 else 0.0
        times += [first + step * number for number in range(count)]
    times.append(max(end, times[-1]) if times else end)
    return times[0], [max(after - before, 0.0) for before, after in pairwise(times)]


def _timing(first: float, gaps: list[float]) -> Iterator[str]:
    shown = [f"{gap * 1000:.2f}".rstrip("0").rstrip(".") for gap in gaps]
    yield from ["", "[timing]", f"first_token_ms = {first * 1000:.2f}"]
    if any(value != "0" for value in shown):
        yield f"inter_token_ms = {{ recorded = [{', '.join(shown)}] }}"


def _json(data: str | bytes) -> Any:
    """The JSON value; None if the data is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _torn_text(raw: bytes) -> str:
    """The text of an unstreamed reply that broke off, as far as it came; the script breaks off there too."""
    found = _TEXT.findall(raw.decode("utf-8", "replace"))
    text = _json(f'"{found[-1]}"') if found else None
    return text or "?"


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's differ in that they may hold DEL and lone surrogates."""
    whole = text.encode("utf-8", "replace").decode()
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
