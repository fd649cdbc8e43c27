"""A proposal as TOML, with comments that say what the samples show and what they cannot show."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatproof.harness.protocol.apis.api import ANSWER, Failure, Finish, Text
from chatproof.harness.protocol.apis.api_table import read_table
from chatproof.harness.protocol.apis.captured_reply import CapturedReply
from chatproof.harness.protocol.apis.event_rule import EventRule
from chatproof.harness.protocol.apis.table_proposal import Proposal
from chatproof.harness.protocol.excerpts import counted

BODY: Final[Mapping[str, Any]] = {"message": "{message}", "conversation": "{conversation}"}
SHOWN: Final = 200  # characters of the text that the samples say
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """How the server is asked, as far as the user said; None: they did not. It is in no sample."""

    name: str
    path: str | None = None
    body: Mapping[str, Any] | None = None


def proposed_table(proposal: Proposal, samples: Sequence[CapturedReply], asked: Asked) -> str:
    """The table as a TOML document.

    Raises:
        TableError: what the user said of asking makes no table.
    """
    assert proposal.reading is not None
    unseen = [*_unseen_of_asking(asked, samples), *proposal.unseen]
    lines = [
        f"# Proposed by `chatproof api --sample` from {counted(sum(len(one.events) for one in samples), 'event')}."
    ]
    lines += ["# docs/apis.md explains every key. The sample does not show:", *(f"# - {one}" for one in unseen)]
    table = "\n".join(_table(proposal, samples, asked))
    said = _said(table, samples)
    lines += ["#", "# Read with this table, the sample says:", f"# {said}", "", table, ""]
    return "\n".join(lines)


def _unseen_of_asking(asked: Asked, samples: Sequence[CapturedReply]) -> Iterator[str]:
    missing = [] if asked.path or any(one.asked for one in samples) else ["the path (--path)"]
    missing += [] if asked.body else ["the body (--body)"]
    if missing:
        yield f"how the server is asked: {' and '.join(missing)}; mend the lines that say CHECK"
    yield "headers that the server wants, such as a key of its own"
    yield "stop and resume endpoints, and Socket.IO"


def _table(proposal: Proposal, samples: Sequence[CapturedReply], asked: Asked) -> Iterator[str]:
    told = next((one.asked for one in samples if one.asked), None)
    path, check = asked.path or (told[1] if told else ""), "  # CHECK: it is in no sample"
    yield "[api]"
    yield f"name = {written(asked.name)}"
    yield f"path = {written(path or '/api/chat')}{'' if path else check}"
    yield f"framing = {written(samples[0].framing.value)}"
    if asked.body is None:
        yield '# {message}: what the user says; {conversation}: its id. Where the client sends all turns: "{history}"'
    yield f"body = {written(asked.body or BODY)}{'' if asked.body else check}"
    reading = proposal.reading
    assert reading is not None
    for one in reading.texts:
        yield ""
        if one.snapshot:
            yield "# each event holds all text so far"
        more = {"snapshot": True} if one.snapshot else {}
        yield from _rule("text", one.rule, more)
    yield ""
    if proposal.closes:
        yield from ("[api.end]", "close = true")
    elif reading.ends:
        yield from _rule("end", reading.ends[0], {})
    else:
        yield from ("[api.end]", "close = true  # CHECK: no sample shows a reply that ended well")
    for rule in reading.errors:
        yield ""
        yield from _rule("error", rule, {}, is_list=len(reading.errors) > 1)
    if not reading.errors:
        yield ""
        yield "# [api.error]  # no sample shows one; for instance:"
        yield '# pointer = "/error"'


def _rule(name: str, rule: EventRule, more: Mapping[str, Any], is_list: bool = False) -> Iterator[str]:
    yield f"[[api.{name}]]" if is_list else f"[api.{name}]"
    given: dict[str, Any] = {"event": rule.event, "mark": rule.mark}
    given |= {"where": rule.where.text if rule.where else "", "equals": rule.equals, "raw": rule.raw}
    for key, value in {key: value for key, value in given.items() if value not in ("", None, False)}.items():
        yield f"{key} = {written(value)}"
    if rule.pointer:
        yield f"pointer = {written(rule.pointer.text)}"
    for key, value in more.items():
        yield f"{key} = {written(value)}"


def _said(table: str, samples: Sequence[CapturedReply]) -> str:
    """What the first sample says, read with the table itself: its text, and how it ends."""
    api = read_table(tomllib.loads(table)["api"])
    text, ends = "", "it does not end"
    for seen in samples[0].events:
        body = seen.value if isinstance(seen.value, dict) else None
        for part in api.read(seen.name, seen.text, body):
            if isinstance(part, Text) and part.channel == ANSWER:
                text = part.text if part.snapshot else text + part.text
            elif isinstance(part, Finish):
                ends = "and ends"
            elif isinstance(part, Failure):
                ends = "and fails"
    if api.ends_with_body and ends == "it does not end":
        ends = "and ends with its body"
    return f"{written(text[:SHOWN])}{'…' if len(text) > SHOWN else ''} {ends}"


def written(value: Any) -> str:
    """A JSON value as TOML, in one line. Raises ValueError: it holds null, which TOML does not have."""
    if isinstance(value, Mapping):
        pairs = (f"{key if _BARE.fullmatch(key) else written(key)} = {written(one)}" for key, one in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if value is None:
        raise ValueError("it holds null, which TOML does not have; leave that key out")
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return text.encode("utf-8", "replace").decode()  # a lone surrogate is no character
