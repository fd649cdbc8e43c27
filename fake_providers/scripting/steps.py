"""The steps of a script: text, thinking, refusals, tool calls, pauses and faults."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.delays import Delay, take_delay
from chatproof.fake_providers.scripting.faults import FAULTS, Fault
from chatproof.fake_providers.scripting.tokenizer import VOCABULARIES, Vocabulary
from chatproof.fake_providers.scripting.toml_table import Table

Channel = Literal["text", "thinking", "refusal"]
"""What a token is a part of: the answer, the model's thoughts before it, or its refusal to answer."""

_KINDS: Final = ("text", "tokens", "thinking", "refusal", "tool_call", "wait_ms", "fault")
_BODIES: Final = ("json", "empty", "html")
_MAX_TOKENS: Final = 100_000
_MAX_REPEAT: Final = 100_000
_MAX_CHARACTERS: Final = 5_000_000
_MAX_SPLIT_TOKENS: Final = 1_000  # each becomes dozens of writes
_MAX_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Say:
    """Tokens as given, or a text that the model's vocabulary splits, `repeat` times, `inter_token` seconds apart (None:
    as the script's timing says).

    `split_bytes` (offsets into the step's encoded bytes) or `split_every` (bytes) cut what the provider
    sends into separate writes, in the middle of characters too. No tokens: an empty text. `redacted`: thoughts that
    an API which has such sends encrypted.
    """

    tokens: tuple[str, ...] = ()
    inter_token: Delay | None = None
    split_bytes: tuple[int, ...] = ()
    split_every: int | None = None
    channel: Channel = "text"
    text: str = ""
    repeat: int = 1
    redacted: bool = False

    @property
    def whole(self) -> str:
        """All that is said."""
        return (self.text or "".join(self.tokens)) * self.repeat

    def most_tokens(self, limit: int) -> int:
        """How many tokens that is at most, by any vocabulary, if it is more than `limit`; else a number up to that."""
        # A text has no fewer characters than tokens: most scripts are read without a vocabulary.
        one = len(self.text) or len(self.tokens)
        if self.text and one * self.repeat > limit:
            one = max(len(tokenizer.split(self.text, name)) for name in VOCABULARIES)
        return one * self.repeat

    def split(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """The tokens, each of whole characters."""
        return (self.tokens or tokenizer.split(self.text, vocabulary)) * self.repeat


@dataclass(frozen=True, slots=True)
class Call:
    """The model calls a tool. `arguments` is the text of a JSON object, sent token by token like any text."""

    name: str
    arguments: str
    inter_token: Delay | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause in seconds that replaces the delay before the next token."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fail:
    """One fault. `status`, `retry_*`, `should_retry` and `body` are for "status" only, the rest also for "error".

    `end_mark`, for "error" only: the stream's end mark follows the error object.
    """

    fault: Fault
    status: int = 500
    retry_after_s: float | None = None
    retry_after_ms: float | None = None
    should_retry: bool | None = None
    body: str = "json"
    message: str | None = None
    type: str | None = None
    code: str | None = None
    end_mark: bool = False
    param: str | None = None

    @property
    def error_status(self) -> int:
        """The status that the error object describes: 500 where it comes with 200."""
        return 500 if self.status == 200 else self.status


Step = Say | Call | Wait | Fail


def take_steps(where: str, table: Table, key: str = "steps") -> tuple[Step, ...]:
    """The [[steps]] of a script, or those under another key; empty where it has none. ScriptError."""
    if (value := table.take(key)) is None:
        return ()
    if not isinstance(value, list) or not value or not all(isinstance(step, dict) for step in value):
        raise table.error(f"{key} must be tables: write one or more [[{key}]]")
    place = "step" if key == "steps" else f"{key} step"
    steps: list[Step] = []
    said = characters = 0
    refused = False
    for number, values in enumerate(value, start=1):
        step_table = Table(f"{where}, {place} {number}", values)
        if steps and isinstance(steps[-1], Fail) and steps[-1].fault != "malformed":
            raise step_table.error(f"nothing can follow the fault {steps[-1].fault!r}: make it the last step")
        step = _step(step_table)
        if isinstance(step, Fail) and step.fault in ("status", "garbage") and _sends_before(steps):
            raise step_table.error(f"fault = {step.fault!r} is instead of a response: nothing can be said before")
        if refused and not isinstance(step, Wait | Fail) and not _is_refusal(step):
            raise step_table.error("a refusal ends the answer: only more of it, a wait or a fault can follow")
        refused = refused or _is_refusal(step)
        if isinstance(step, Say):
            said += step.most_tokens(_MAX_TOKENS - said)
            characters += len(step.whole)
        if said > _MAX_TOKENS or characters > _MAX_CHARACTERS:
            bounds = f"{_MAX_TOKENS:,} tokens or {_MAX_CHARACTERS:,} characters"
            raise step_table.error(f"a script says at most {bounds}")
        steps.append(step)
    return tuple(steps)


def _sends_before(steps: list[Step]) -> bool:
    return any(not isinstance(step, Wait) for step in steps)


def _is_refusal(step: Step) -> bool:
    return isinstance(step, Say) and step.channel == "refusal"


def _step(table: Table) -> Step:
    kinds = [kind for kind in _KINDS if kind in table.keys()]  # noqa: SIM118 (a Table is not a mapping)
    if len(kinds) != 1:
        problem = f"has {' and '.join(kinds)}" if kinds else f"has none (it has: {', '.join(sorted(table.keys()))})"
        raise table.error(f"a step is exactly one of {', '.join(_KINDS)}; this one {problem}")
    step: Step
    if kinds[0] == "wait_ms":
        step = Wait((table.number("wait_ms", 0, _MAX_MS) or 0) / 1000)
    elif kinds[0] == "fault":
        step = _fail(table)
    elif kinds[0] == "tool_call":
        step = _call(table)
    else:
        step = _say(table, kinds[0])
    table.done()
    return step


def _say(table: Table, kind: str) -> Say:
    listed = kind == "tokens" or (kind != "text" and isinstance(table.peek(kind), list))
    tokens = (table.texts(kind) or ()) if listed else ()
    text = "" if listed else table.text(kind, empty=kind == "text") or ""
    repeat = table.integer("repeat", 1, _MAX_REPEAT) or 1
    spacing = take_delay(table, "inter_token_ms")
    split_bytes, split_every = table.offsets("split_bytes"), table.integer("split_every", 1, 1_000_000)
    channel = cast(Channel, kind) if kind in ("thinking", "refusal") else "text"
    redacted = kind == "thinking" and table.flag("redacted")
    step = Say(tokens, spacing, split_bytes, split_every, channel, text, repeat, redacted)
    if step.most_tokens(_MAX_TOKENS) > _MAX_TOKENS:
        raise table.error(f"more than {_MAX_TOKENS:,} tokens: repeat is too large")
    if split_bytes and split_every:
        raise table.error("split_bytes and split_every exclude each other")
    if (split_bytes or split_every) and step.most_tokens(_MAX_SPLIT_TOKENS) > _MAX_SPLIT_TOKENS:
        raise table.error(f"a step that is split has at most {_MAX_SPLIT_TOKENS:,} tokens")
    return step


def _call(table: Table) -> Call:
    name = table.text("tool_call") or ""
    # A text keeps its key order, its white space, and null, which TOML does not have.
    arguments = table.text("arguments") or "" if isinstance(table.peek("arguments"), str) else _as_json(table)
    try:
        is_object = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise table.error('arguments must be a table or the text of a JSON object: arguments = { city = "Paris" }')
    return Call(name, arguments, take_delay(table, "inter_token_ms"))


def _as_json(table: Table) -> str:
    value: Any = table.take("arguments")
    try:
        return json.dumps({} if value is None else value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    except TypeError:
        raise table.error("arguments hold a date or a time, which JSON has not: write it as a text") from None


def _fail(table: Table) -> Fail:
    fault = cast(Fault, table.text("fault", choices=FAULTS))
    if fault not in ("status", "error"):
        return Fail(fault)
    message, kind, code = table.text("message"), table.text("type"), table.text("code")
    param = table.text("param")
    if fault == "error":
        return Fail(fault, message=message, type=kind, code=code, end_mark=table.flag("end_mark"), param=param)
    if (status := table.integer("status", 0, 999)) is None:
        raise table.error('fault = "status" needs status = a number from 400 to 599, or 200')
    if status != 200 and not 400 <= status <= 599:
        raise table.error(f"status must be 200, or a whole number from 400 to 599, not {status}")
    return Fail(
        fault,
        status=status,
        retry_after_s=table.number("retry_after_s", 0, 3600),
        retry_after_ms=table.number("retry_after_ms", 0, 3_600_000),
        should_retry=table.choice("should_retry"),
        body=table.text("body", "json", _BODIES) or "json",
        message=message,
        type=kind,
        code=code,
        param=param,
    )
