"""Scripts: what the model says, when, and how it fails. Data only, one TOML file each.

about = "Three tokens, then the connection ends without a word."
[timing]
first_token_ms = 0
inter_token_ms = 30
[[steps]]
tokens = ["One", " two", " three"]
[[steps]]
fault = "close"
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from fake_providers import tokens
from fake_providers.frames import FAULTS, Fault
from fake_providers.table import ScriptError, Table

__all__ = ["BUILT_IN", "Fail", "Say", "Script", "ScriptError", "Step", "Wait"]
__all__ += ["load_script", "load_scripts", "parse_script"]

BUILT_IN: Final = Path(__file__).parent / "scripts"
NAME: Final = re.compile(r"[a-z0-9-]{1,100}")

_KINDS: Final = ("text", "tokens", "wait_ms", "fault")
_FINISH_REASONS: Final = ("stop", "length", "content_filter", "tool_calls")
_BODIES: Final = ("json", "empty", "html")
_MAX_FILE_BYTES: Final = 1_000_000
_MAX_TOKENS: Final = 100_000
_MAX_REPEAT: Final = 100_000
_MAX_CHARACTERS: Final = 5_000_000
_MAX_SPLIT_TOKENS: Final = 1_000  # each becomes dozens of writes
_MAX_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Say:
    """Tokens, `inter_token` seconds apart (None: as the script's timing says).

    `split_bytes` (offsets into the step's encoded bytes) or `split_every` (bytes) cut what the provider
    sends into separate writes, in the middle of characters too.
    """

    tokens: tuple[str, ...]
    inter_token: float | None = None
    split_bytes: tuple[int, ...] = ()
    split_every: int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause in seconds, in place of the delay that the next token would have had."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fail:
    """One fault. `status`, `retry_after_*` and `body` belong to "status"; the rest to "error" as well."""

    fault: Fault
    status: int = 500
    retry_after_s: float | None = None
    retry_after_ms: float | None = None
    body: str = "json"
    message: str | None = None
    type: str | None = None
    code: str | None = None


Step = Say | Wait | Fail


@dataclass(frozen=True, eq=False)
class Script:
    """One script. Times in seconds. Compared by identity: a replaced script is another one."""

    name: str
    about: str
    steps: tuple[Step, ...]
    seed: int = 0
    first_token: float = 0.0
    inter_token: float = 0.0
    finish_reason: str = "stop"
    ascii: bool = False

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(token for step in self.steps if isinstance(step, Say) for token in step.tokens)

    @property
    def text(self) -> str:
        return "".join(self.tokens)


def load_scripts(*folders: Path) -> dict[str, Script]:
    """Every `*.toml` of the folders by its name, sorted; a later folder wins. ScriptError on the first bad one."""
    scripts: dict[str, Script] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ScriptError(f"{folder}: not a folder of scripts")
        for path in sorted(folder.glob("*.toml")):
            scripts[path.stem] = load_script(path)
    return dict(sorted(scripts.items()))


def load_script(path: Path) -> Script:
    """The script in the file; its name is the file's. ScriptError names the file and the key."""
    if not NAME.fullmatch(path.stem):
        raise ScriptError(f"{path}: a script's file name is lower-case letters, digits and dashes, then .toml")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise ScriptError(f"{path}: cannot be read: {reason}") from problem
    return _parse(path.stem, text, str(path))


def parse_script(name: str, toml_text: str) -> Script:
    """The script in the text, under that name. ScriptError names the script and the key."""
    if not NAME.fullmatch(name):
        raise ScriptError(f"{name[:100]!r}: a script's name is up to 100 lower-case letters, digits and dashes")
    return _parse(name, toml_text, name)


def _parse(name: str, toml_text: str, where: str) -> Script:
    if len(toml_text) > _MAX_FILE_BYTES:
        raise ScriptError(f"{where}: longer than {_MAX_FILE_BYTES:,} characters; use repeat for long replies")
    try:
        document = tomllib.loads(toml_text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise ScriptError(f"{where}: not TOML: {problem}") from problem
    table = Table(where, document)
    about = table.text("about")
    if about is None:
        raise table.error('about is missing: say in one sentence what the script is for, about = "…"')
    timing = Table(f"{where}, [timing]", _as_table(table, "timing"))
    script = Script(
        name=name,
        about=about,
        seed=table.integer("seed", 0, 2**63 - 1) or 0,
        first_token=(timing.number("first_token_ms", 0, _MAX_MS) or 0) / 1000,
        inter_token=(timing.number("inter_token_ms", 0, _MAX_MS) or 0) / 1000,
        finish_reason=table.text("finish_reason", "stop", _FINISH_REASONS) or "stop",
        ascii=table.flag("ascii"),
        steps=_steps(where, table),
    )
    timing.done()
    table.done()
    return script


def _as_table(table: Table, key: str) -> dict[str, Any]:
    value = table.take(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise table.error(f"{key} must be a table: [{key}]")
    return value


def _steps(where: str, table: Table) -> tuple[Step, ...]:
    value = table.take("steps")
    if not isinstance(value, list) or not value or not all(isinstance(step, dict) for step in value):
        raise table.error("steps is missing: a script needs at least one [[steps]]")
    steps: list[Step] = []
    said = characters = 0
    for number, values in enumerate(value, start=1):
        step_table = Table(f"{where}, step {number}", values)
        if steps and isinstance(steps[-1], Fail) and steps[-1].fault != "malformed":
            raise step_table.error(f"nothing can follow the fault {steps[-1].fault!r}: make it the last step")
        step = _step(step_table)
        if isinstance(step, Fail) and step.fault in ("status", "garbage") and _sends_before(steps):
            raise step_table.error(f"fault = {step.fault!r} is instead of a response: nothing can be said before")
        if isinstance(step, Say):
            said += len(step.tokens)
            characters += sum(map(len, step.tokens))
        if said > _MAX_TOKENS or characters > _MAX_CHARACTERS:
            bounds = f"{_MAX_TOKENS:,} tokens or {_MAX_CHARACTERS:,} characters"
            raise step_table.error(f"a script says at most {bounds}")
        steps.append(step)
    return tuple(steps)


def _sends_before(steps: list[Step]) -> bool:
    return any(not isinstance(step, Wait) for step in steps)


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
    else:
        step = _say(table)
    table.done()
    return step


def _say(table: Table) -> Say:
    text = table.text("text")
    said = tokens.split(text) if text else table.texts("tokens") or ()
    repeat = table.integer("repeat", 1, _MAX_REPEAT) or 1
    if len(said) * repeat > _MAX_TOKENS:
        raise table.error(f"more than {_MAX_TOKENS:,} tokens: repeat is too large")
    spacing = table.number("inter_token_ms", 0, _MAX_MS)
    split_bytes, split_every = table.offsets("split_bytes"), table.integer("split_every", 1, 1_000_000)
    if split_bytes and split_every:
        raise table.error("split_bytes and split_every exclude each other")
    if (split_bytes or split_every) and len(said) * repeat > _MAX_SPLIT_TOKENS:
        raise table.error(f"a step that is split has at most {_MAX_SPLIT_TOKENS:,} tokens")
    return Say(said * repeat, None if spacing is None else spacing / 1000, split_bytes, split_every)


def _fail(table: Table) -> Fail:
    fault = cast(Fault, table.text("fault", choices=FAULTS))
    if fault not in ("status", "error"):
        return Fail(fault)
    message, kind, code = table.text("message"), table.text("type"), table.text("code")
    if fault == "error":
        return Fail(fault, message=message, type=kind, code=code)
    status = table.integer("status", 400, 599)
    if status is None:
        raise table.error('fault = "status" needs status = a number from 400 to 599')
    return Fail(
        fault,
        status=status,
        retry_after_s=table.number("retry_after_s", 0, 3600),
        retry_after_ms=table.number("retry_after_ms", 0, 3_600_000),
        body=table.text("body", "json", _BODIES) or "json",
        message=message,
        type=kind,
        code=code,
    )
