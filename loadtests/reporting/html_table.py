"""A table that scrolls by itself where the screen is narrower."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape


def verdict(word: str) -> str:
    """A verdict in its colour."""
    return f'<b class="{word.replace(" ", "-")}">{escape(word)}</b>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], kinds: Mapping[int, str]) -> str:
    """`rows` are HTML already. `kinds`: the classes of columns, by index: `n` for numbers, `bars`, `words`."""
    marks = [f' class="{kinds[index]}"' if index in kinds else "" for index in range(len(heads))]
    head = "".join(f"<th{mark}>{escape(one)}</th>" for mark, one in zip(marks, heads, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{mark}>{cell}</td>" for mark, cell in zip(marks, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
