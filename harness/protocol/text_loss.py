"""What a text lost on its way, in words: where it was cut, or which characters are gone, changed or added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

from chatproof.harness.protocol.excerpts import counted, difference, shown

COMPARED = 1_000  # characters that are compared one by one, which takes time by the square of their number
NAMED = 6  # pieces that a message names
PIECE = 40  # characters of a piece that it shows


def loss(got: str, wanted: str) -> str:
    """How `got` differs from `wanted`, which is another text."""
    if not got:
        return f"nothing of its {counted(len(wanted), 'character')} came"
    start, end = _alike(got, wanted)
    lost, more = wanted[start : len(wanted) - end], got[start : len(got) - end]
    if not more and not end:
        return f"it ends after {start} of its {len(wanted)} characters, before {shown(lost, PIECE)}"
    if not more and not start:
        return f"it begins {len(lost)} characters late, with {shown(got[:PIECE], PIECE)}"
    if len(lost) > COMPARED or len(more) > COMPARED or (not more and len(lost) > PIECE):
        return f"{len(got)} of {counted(len(wanted), 'character')}; it {difference(got, wanted)}"
    found = Counter(_changes(lost, more))
    named = [f"{change} ({times} times)" if times > 1 else change for change, times in list(found.items())[:NAMED]]
    rest = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{', '.join(named)}{rest}; first behind {shown(wanted[max(0, start - 20) : start], PIECE)}"


def _alike(one: str, other: str) -> tuple[int, int]:
    """How many characters at the beginning, and how many of the others at the end, are the same."""
    most = min(len(one), len(other))
    start = next((place for place in range(most) if one[place] != other[place]), most)
    most -= start
    end = next((place for place in range(most) if one[-1 - place] != other[-1 - place]), most)
    return start, end


def _changes(lost: str, more: str) -> Iterator[str]:
    """Each piece that is missing, changed or added."""
    for kind, i, j, k, m in SequenceMatcher(None, lost, more, autojunk=False).get_opcodes():
        gone, there = shown(lost[i:j], PIECE), shown(more[k:m], PIECE)
        match kind:
            case "delete":
                yield f"{gone} is missing"
            case "insert":
                yield f"{there} was added"
            case "replace":
                yield f"{gone} became {there}"
