"""Scripts: what the model says, when, and how it fails. Data only, one TOML file each.

about = "Three tokens, then the stream ends without a finish reason."
[timing]
first_token_ms = { uniform = [100, 300] }
inter_token_ms = 30
[[steps]]
tokens = ["One", " two", " three"]
[[steps]]
fault = "close"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from chatproof.fake_providers.scripting.delays import Delay, take_delay
from chatproof.fake_providers.scripting.match import Match, take_match
from chatproof.fake_providers.scripting.steps import Call, Channel, Fail, Say, Step, Wait, take_steps
from chatproof.fake_providers.scripting.toml_table import ScriptError, Table, did_you_mean
from chatproof.fake_providers.scripting.wire_table import Form, UnknownWire, known_wires

__all__ = ["BUILT_IN", "Call", "Fail", "Match", "Say", "Script", "ScriptError", "Step", "Wait"]
__all__ += ["check_sequence", "load_script", "load_scripts", "parse_script", "script_of"]

BUILT_IN: Final = Path(__file__).parent.parent / "scripts"
NAME: Final = re.compile(r"[a-z0-9-]{1,100}")
PLAYED: Final = "0-plays"
"""What a test plays is the sequence of this script: the first one by name, so its [match] is looked at first."""

Writes = Literal["joined", "each"]
Exhausted = Literal["repeat", "error"]

_FINISH_REASONS: Final = ("stop", "length", "content_filter", "tool_calls")
_WRITES: Final = ("joined", "each")
EXHAUSTED: Final = get_args(Exhausted)
_MAX_FILE_BYTES: Final = 1_000_000
_MAX_SEQUENCE: Final = 1_000
_MAX_MS: Final = 600_000
_MAX_EVENTS: Final = 10_000


@dataclass(frozen=True, eq=False)
class Script:
    """One script. Times are in seconds. Compared by identity, so a replaced script differs from the old one."""

    name: str
    about: str
    steps: tuple[Step, ...]
    seed: int = 0
    first_token: Delay = 0.0
    inter_token: Delay = 0.0
    finish_reason: str = "stop"
    """"stop", "length", "content_filter" or "tool_calls"; each dialect translates it."""
    ascii: bool = False
    """Escape all characters but ASCII in JSON."""
    raw: bool = False
    """Escape only what JSON requires, even where the real API escapes U+2028 and similar characters."""
    blocked: str | None = None
    """The prompt itself is refused, with this reason."""
    match: Match | None = None
    sequence: tuple[str, ...] = ()
    """Names of scripts to play instead of steps: one for each request of a conversation."""
    exhausted: Exhausted = "repeat"
    """What a request gets after the sequence's last script: "repeat", that script again; "error", HTTP 400."""
    after_tool: Script | None = None
    """What it says in place of its steps once the request ends with a tool's result: a script of the same name."""
    writes: Writes = "joined"
    """"joined": events due at the same time are one write; "each": every event is a write of its own."""
    events_per_write: int = 1
    """How many events are held back and written at once, as a buffering proxy does."""
    wires: tuple[str, ...] = ()
    """The legal forms of the stream that it is sent in, see `wire_table`."""

    headers: float = 0.0
    """When the response's head is sent at the earliest, in seconds from the request. What was due before waits for it.
    """
    body_end: float = 0.0
    """How long a streamed body stays open behind its last event, in seconds."""

    def unplayable(self, form: Form) -> str | None:
        """Why a stream of that form cannot play it: one line that says which can; None if it can."""
        if form != "chat" and self._marks_an_end:
            return f"The script '{self.name}' wants an end mark behind its error, and {form} has none: only chat has."
        return None

    @cached_property
    def _marks_an_end(self) -> bool:
        return any(isinstance(step, Fail) and step.end_mark for step in self.steps)

    def reply(self, after_tool: bool) -> Script:
        """What it says now. `after_tool`: the request ends with a tool's result."""
        return self.after_tool if after_tool and self.after_tool is not None else self

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of the answer's text, as OpenAI's newest models split them (o200k)."""
        return self._said("text")

    @cached_property
    def text(self) -> str:
        return "".join(self._whole("text"))

    @cached_property
    def thoughts(self) -> tuple[str, ...]:
        """The tokens of what the model thinks before it answers."""
        return self._said("thinking")

    @cached_property
    def refusal(self) -> str:
        """Why the model does not answer; empty if it does."""
        return "".join(self._whole("refusal"))

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """The tools that are called."""
        return tuple(step for step in self.steps if isinstance(step, Call))

    def _said(self, channel: Channel) -> tuple[str, ...]:
        return tuple(token for step in self._steps_of(channel) for token in step.split("o200k"))

    def _whole(self, channel: Channel) -> Iterator[str]:
        return (step.whole for step in self._steps_of(channel))

    def _steps_of(self, channel: Channel) -> Iterator[Say]:
        return (step for step in self.steps if isinstance(step, Say) and step.channel == channel)


def load_scripts(*folders: Path) -> dict[str, Script]:
    """Every `*.toml` of the folders by its name, sorted; a later folder wins. ScriptError on the first bad one."""
    scripts: dict[str, Script] = {}
    paths: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ScriptError(f"{folder}: not a folder of scripts")
        for path in sorted(folder.glob("*.toml")):
            scripts[path.stem], paths[path.stem] = load_script(path), path
    for name, script in scripts.items():
        check_sequence(script, scripts, str(paths[name]))
    return dict(sorted(scripts.items()))


def load_script(path: Path) -> Script:
    """The script in the file; its name is the file's. ScriptError names the file and the key.

    The names in a sequence are not looked up: that needs all scripts, see `check_sequence`.
    """
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


def script_of(name: str, document: dict[str, Any], where: str) -> Script:
    """The script with these keys, as a TOML file has them. ScriptError begins with `where` and names the key."""
    table = Table(where, document)
    if (about := table.text("about")) is None:
        raise table.error('about is missing: say in one sentence what the script is for, about = "…"')
    timing = table.table("timing")
    steps, sequence, blocked = take_steps(where, table), _sequence(table), table.text("blocked")
    after_tool = take_steps(where, table, "after_tool")
    if steps and sequence:
        raise table.error("sequence and steps exclude each other: a sequence names other scripts")
    if not steps and not sequence and not blocked:
        raise table.error("steps is missing: a script needs at least one [[steps]], a sequence, or blocked")
    if after_tool and not steps:
        raise table.error("after_tool needs [[steps]]: what the model says before the tool has answered")
    finish_reason = table.text("finish_reason", choices=_FINISH_REASONS)
    writes, events = _grouping(table)
    script = Script(
        name=name,
        about=about,
        seed=table.integer("seed", 0, 2**63 - 1) or 0,
        first_token=take_delay(timing, "first_token_ms") or 0.0,
        inter_token=take_delay(timing, "inter_token_ms") or 0.0,
        finish_reason=finish_reason or _usual_reason(steps),
        ascii=table.flag("ascii"),
        raw=table.flag("raw"),
        blocked=blocked,
        match=take_match(table),
        sequence=sequence,
        exhausted=_exhausted(table, sequence),
        writes=writes,
        events_per_write=events,
        wires=_wires(table),
        headers=(timing.number("headers_ms", 0, _MAX_MS) or 0) / 1000,
        body_end=(timing.number("body_end_ms", 0, _MAX_MS) or 0) / 1000,
        steps=steps,
    )
    timing.done()
    table.done()
    if not after_tool:
        return script
    then = replace(script, steps=after_tool, finish_reason=finish_reason or _usual_reason(after_tool))
    return replace(script, after_tool=then)


def _usual_reason(steps: tuple[Step, ...]) -> str:
    return "tool_calls" if any(isinstance(step, Call) for step in steps) else "stop"


def check_sequence(script: Script, scripts: Mapping[str, Script], where: str) -> None:
    """ScriptError if the script's sequence names what is not among the scripts, or is a sequence itself."""
    for name in script.sequence:
        if name == script.name or name not in scripts:
            others = [other for other in scripts if other != script.name]
            problem = f"sequence names {name!r}, and there is no other script of that name."
            raise ScriptError(f"{where}: {problem}{did_you_mean(name, others)}")
        if scripts[name].sequence:
            raise ScriptError(f"{where}: sequence names {name!r}, which is a sequence itself")


def _parse(name: str, toml_text: str, where: str) -> Script:
    if len(toml_text) > _MAX_FILE_BYTES:
        raise ScriptError(f"{where}: longer than {_MAX_FILE_BYTES:,} characters; use repeat for long replies")
    try:
        document = tomllib.loads(toml_text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise ScriptError(f"{where}: not TOML: {problem}") from problem
    return script_of(name, document, where)


def _sequence(table: Table) -> tuple[str, ...]:
    names = table.texts("sequence") or ()
    if len(names) > _MAX_SEQUENCE:
        raise table.error(f"sequence names at most {_MAX_SEQUENCE:,} scripts")
    return names


def _exhausted(table: Table, sequence: tuple[str, ...]) -> Exhausted:
    value = table.text("exhausted", choices=EXHAUSTED)
    if value is not None and not sequence:
        raise table.error("exhausted is for a script with a sequence: it says what comes after the last one")
    return cast(Exhausted, value or "repeat")


def _grouping(table: Table) -> tuple[Writes, int]:
    writes = cast(Writes, table.text("writes", "joined", _WRITES))
    events = table.integer("events_per_write", 1, _MAX_EVENTS) or 1
    if writes == "each" and events > 1:
        raise table.error('writes = "each" and events_per_write exclude each other')
    return writes, events


def _wires(table: Table) -> tuple[str, ...]:
    """`wire = "crlf"`, or a list of them."""
    if table.peek("wire") is None:
        table.take("wire")  # only to be known
        return ()
    names = (table.text("wire") or "",) if isinstance(table.peek("wire"), str) else table.texts("wire") or ()
    try:
        return known_wires(names)
    except UnknownWire as unknown:
        raise table.error(f"wire: {unknown}") from unknown
