"""The top of the HTML report: where to start, and a line for each failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatproof.harness.report.markup import anchor, marked, shell, text_of, verdict_tag
from chatproof.harness.report.root_causes import Cause
from chatproof.harness.report.verdicts import Row

MOST_CAUSES = 6  # that are told whole; all failures have a line each in any case
MOST_LINKS = 12  # of one cause
LINE = 300  # characters of a failure's line: the page shows as many as fit


def where_to_start(causes: Sequence[Cause]) -> str:
    """The first root causes, each with what was seen, what to do and its rows; nothing where there is none."""
    gating = [cause for cause in causes if cause.gates][:MOST_CAUSES]
    if not gating:
        return ""
    more = sum(cause.gates for cause in causes) - len(gating)
    items = "".join(f"<li>{''.join(_told(cause))}</li>" for cause in gating)
    rest = f'<p class="note">… and {more} more, in the list below.</p>' if more else ""
    return f'<section class="start"><h2>Start here</h2><ol>{items}</ol>{rest}</section>'


def failure_list(rows: Sequence[Row], causes: Sequence[Cause]) -> str:
    """A line for each failed row, in the order of the causes, that leads to the row; nothing where none failed."""
    if not rows:
        return ""
    order = {name: number for number, cause in enumerate(causes) for name in cause.rows}
    ordered = sorted(rows, key=lambda row: order.get(row.name, len(order)))
    lines = "".join(
        f'<li><a href="#{anchor(row.name)}">{verdict_tag(row.verdict)}<b class="id">{text_of(row.name)}</b>'
        f'<span class="line">{text_of(_line(row))}</span></a></li>'
        for row in ordered
    )
    return f'<section><h2>All failures</h2><ul class="failures">{lines}</ul></section>'


def _told(cause: Cause) -> Iterator[str]:
    yield f"<b>{marked(cause.title)}</b>"
    facts = (
        ("seen", text_of(cause.seen)),
        ("expected", text_of(cause.expected)),
        ("do", marked(cause.do)),
        ("repeat", shell(cause.repeat)),
        ("rows", "".join(_links(cause))),
    )
    yield "<dl>" + "".join(f"<dt>{term}</dt><dd>{said}</dd>" for term, said in facts if said) + "</dl>"


def _links(cause: Cause) -> Iterator[str]:
    yield " ".join(f'<a href="#{anchor(name)}">{text_of(name)}</a>' for name in cause.rows[:MOST_LINKS])
    if more := cause.rows[MOST_LINKS:]:
        yield f" and {len(more)} more"


def _line(row: Row) -> str:
    known = f"known failure ({row.known}): " if row.known else ""
    return f"{known}{row.seen}"[:LINE]
