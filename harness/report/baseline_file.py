"""Writes a run's failures into a file of known failures. What people wrote into the file stays as it is."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.redaction import clipped
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.requirements import Contract
from chatproof.harness.report.baseline import Baseline, Known
from chatproof.harness.report.verdicts import Row, Verdict

TODO: Final = "TODO: say why this failure is accepted, and until when"
TEXT, SEEN = 160, 300  # characters of a comment
HEAD: Final = """\
# Known failures of `chatproof check`: they are reported, and do not fail the run. One that passes again does fail it.
# Give each a reason: an issue, a person, a date. Keys: reason; provider = "gemini" (only with this one, or a list of
# several); flaky = true (it passes now and then).
"""
_HEADER: Final = re.compile(r"""^[ \t]*\[[ \t]*known[ \t]*\.[ \t]*["']?([A-Z]+-\d+)["']?[ \t]*\]""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WrittenBaseline:
    """The text of the new file, and what became of the old one's entries. `added`, `removed`: ids of rows."""

    text: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    without_reason: int

    def told(self, path: Path) -> list[str]:
        """One line for a person, or two."""
        change = [f"{len(ids)} {word}" for ids, word in ((self.added, "added"), (self.removed, "removed")) if ids]
        lines = [f"{path}: {', '.join(change) if change else 'nothing new'}"]
        if self.without_reason:
            lines.append(f"{path}: {counted(self.without_reason, 'known failure')} without a reason yet; look for TODO")
        return lines


def written(rows: Iterable[Row], baseline: Baseline, contract: Contract, old: str, strict: bool) -> WrittenBaseline:
    """The baseline after a run: known failures that were not seen to pass, and all new ones, in the contract's order.

    Args:
        rows: all rows of the run, as `Baseline.applied` gives them.
        baseline: the known failures of `old`.
        old: the text of the file before; empty where there was none.
        strict: whether SHOULD rows fail the run, and are known failures too.

    Raises:
        ChatproofError: the file before has a form that cannot be changed without losing something of it.
    """
    rows = list(rows)
    head, blocks = _blocks(old, baseline)
    known = {one.id: one for one in baseline.known}
    passing = baseline.passing(rows)
    kept = {one.id: one for one in baseline.known if one not in passing}
    for name, failing in _new(rows, strict).items():
        behind = tuple(dict.fromkeys(row.provider for row in failing if row.provider))
        judged = {row.provider for row in rows if row.requirement.id == name and row.provider}
        some = behind if judged - {*behind} else ()  # with each provider: so it is with any
        before = known.get(name)
        if before is None or name not in kept:
            kept[name] = Known(name, TODO, some)
        else:
            kept[name] = replace(before, providers=(*before.providers, *some) if some else ())
        blocks[name] = _block(kept[name], failing)
    order = [row.id for row in contract if row.id in kept]
    text = "\n".join([f"{head.rstrip()}\n" if head.strip() else HEAD, *(blocks[name] for name in order)])
    if _reasons(text) != {name: one.reason for name, one in kept.items()}:
        raise _unclear(baseline.path)
    return WrittenBaseline(
        text,
        tuple(name for name in order if kept[name] != known.get(name)),
        tuple(name for name in known if name not in kept),
        sum(one.reason.startswith("TODO") for one in kept.values()),
    )


def _new(rows: Sequence[Row], strict: bool) -> dict[str, list[Row]]:
    """The rows that fail the run, by their ids."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.gates(strict):
            found.setdefault(row.requirement.id, []).append(row)
    return found


def _block(one: Known, failing: Sequence[Row]) -> str:
    """An entry with what the row demands and what was seen, in comments that a person can delete."""
    worst = min(failing, key=lambda row: list(Verdict).index(row.verdict))
    seen = "could not be tested" if worst.verdict is Verdict.NOT_TESTABLE else "seen"
    lines = [f"# {clipped(_line(worst.requirement.text), TEXT)}", f"# {seen}: {clipped(_line(worst.seen), SEEN)}"]
    lines += [f'[known."{one.id}"]', f"reason = {_toml(one.reason)}"]
    if one.providers:
        lines.append(f"provider = {_toml(one.providers[0] if len(one.providers) == 1 else list(one.providers))}")
    if one.flaky:
        lines.append("flaky = true")
    return "\n".join(lines) + "\n"


def _blocks(old: str, baseline: Baseline) -> tuple[str, dict[str, str]]:
    """What stands above the first entry, and each entry's own lines with the comments above it."""
    heads = list(_HEADER.finditer(old))
    if sorted(one[1] for one in heads) != sorted(one.id for one in baseline.known):
        raise _unclear(baseline.path)
    starts = [_comments_above(old, one.start()) for one in heads]
    ends = [*starts[1:], len(old)][: len(starts)]
    blocks = {one[1]: f"{old[start:end].strip()}\n" for one, start, end in zip(heads, starts, ends, strict=True)}
    return (old[: starts[0]] if starts else old), blocks


def _comments_above(text: str, at: int) -> int:
    """Where the comment begins that ends right above a line."""
    while at > 0:
        line = text.rfind("\n", 0, at - 1) + 1
        if not text[line:at].lstrip().startswith("#"):
            return at
        at = line
    return at


def _reasons(text: str) -> dict[str, str] | None:
    """What a file would say. A file that people keep is not overwritten on a guess."""
    try:
        known: dict[str, Any] = tomllib.loads(text).get("known", {})
    except tomllib.TOMLDecodeError:
        return None
    return {name: entry["reason"].strip() for name, entry in known.items()}


def _unclear(path: Path | None) -> ChatproofError:
    return ChatproofError(f'{path} is not written in plain tables [known."ID"]; write the baseline to a new file')


def _line(text: str) -> str:
    return " ".join(text.split())


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
