"""Which requests of a journal belong together: an ask with its repeats, and the turns that a request carries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any, Final

from chatproof.fake_providers.journal.entry import Entry
from chatproof.fake_providers.scripting.selection import said_in

_RETRY_INFO: Final = re.compile(r'"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"')
_MODEL: Final = ("assistant", "model")
_CALLS: Final = ("tool_calls", "functionCall", "function_call", "tool_use")


@dataclass(frozen=True, slots=True)
class Tries:
    """A request, and the requests that repeat it after a failure, the oldest first."""

    entries: list[Entry]

    @property
    def failures(self) -> list[Entry]:
        return [entry for entry in self.entries if has_failed(entry)]

    @property
    def repeats(self) -> list[tuple[Entry, Entry]]:
        """Each failed request, with the one that repeats it."""
        return list(pairwise(self.entries))


def tries_in(entries: Iterable[Entry]) -> list[Tries]:
    """The requests with a body, grouped.

    A repeat has the same body, path, API key and case as an earlier request, and comes after that one has failed.
    Where it may be the repeat of several, as when many callers ask the same at once, it counts for the one that waits
    the longest: so nobody is accused of what another did.
    """
    found: list[Tries] = []
    same: dict[str, list[Tries]] = {}
    for entry in sorted(entries, key=lambda one: one.received):
        if entry.body is None:
            continue
        alike = same.setdefault(_identity(entry), [])
        waiting = [tries for tries in alike if _failed_before(tries.entries[-1], entry.received)]
        if waiting:
            min(waiting, key=lambda tries: tries.entries[-1].ended_at or 0.0).entries.append(entry)
        else:
            alike.append(Tries([entry]))
            found.append(alike[-1])
    return found


def at_once(entries: Iterable[Entry], now: float) -> list[list[Entry]]:
    """For each request of a case: the equal requests that were open when it came, itself included."""
    same: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.case is not None and entry.body is not None:
            same.setdefault(_identity(entry), []).append(entry)
    return [
        [other for other in alike if other.received <= one.received < _end(other, now)]
        for alike in same.values()
        for one in alike
    ]


def has_failed(entry: Entry) -> bool:
    """Whether it came to no whole reply, unless its client hung up while the reply came: it had seen enough."""
    if entry.ended is None or entry.whole:
        return False
    return entry.hangup_after is None or entry.tokens == 0 or has_said_all(entry)


def has_said_all(entry: Entry) -> bool:
    """Whether the script lets the connection hang without an end: nothing more comes."""
    hangs = entry.ended is None or entry.hangup_after is not None
    return entry.unfinished and hangs and len(entry.writes) >= entry.planned_writes


def advised_wait(entry: Entry) -> tuple[float, str] | None:
    """The seconds for which an error asks the client to wait, and how it says so; None where it does not.

    Read as the OpenAI clients (https://github.com/openai/openai-python, `_parse_retry_after_header`) and Google's
    (https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto, `RetryInfo`) do. Where an
    answer says it in several ways, the shortest wait counts: a client needs to know one of them.
    """
    said: list[tuple[float, str]] = []
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = entry.reply_headers.get(name, "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            said.append((float(value) * unit, f"{name}: {value}"))
    if (info := _RETRY_INFO.search(entry.error)) is not None:
        said.append((float(info[1]), f"RetryInfo.retryDelay: {info[1]}s"))
    return min(said, default=None)


def followed_up(cut: Entry, later: Entry) -> str | None:
    """The assistant's turn that a later request has after what `cut` asked, where the conversation then goes on.

    Empty for a turn of tool calls alone; None where there is none. An assistant's turn at the very end goes on with the
    reply itself (a prefill), so it does not count.
    """
    asked, turns = said_in(cut.body), said_in(later.body)
    if not asked or asked[-1] not in turns:
        return None
    # Where the history was shortened or got another head, the last turn of that text.
    kept = turns[: len(asked)][-1:] == asked[-1:]
    after = turns[len(asked) if kept else len(turns) - turns[::-1].index(asked[-1]) :]
    own = list(takewhile(_is_own, after))
    if not own or len(own) == len(after):
        return None
    text = "".join(map(_text, own))
    return text if text or any(name in json.dumps(own) for name in _CALLS) else None


def _identity(entry: Entry) -> str:
    return json.dumps([entry.case, entry.provider, entry.path, entry.key, entry.body], sort_keys=True)


def _failed_before(entry: Entry, moment: float) -> bool:
    return entry.ended_at is not None and entry.ended_at <= moment and has_failed(entry)


def _end(entry: Entry, now: float) -> float:
    return now if entry.ended_at is None else entry.ended_at


def _is_own(turn: Any) -> bool:
    """Whether it is the model's: a message of its own, or an item such as a call without a role."""
    if not isinstance(turn, dict):
        return False
    role = turn.get("role")
    return role in _MODEL or (role is None and "type" in turn and not str(turn["type"]).endswith("_output"))


def _text(turn: dict[str, Any]) -> str:
    content: Any = turn.get("content", turn.get("parts"))
    if isinstance(content, str):
        return content
    parts: Sequence[Any] = content if isinstance(content, list) else ()
    return "".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)
