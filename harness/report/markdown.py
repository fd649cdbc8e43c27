"""The report for a CI summary: Markdown as GitHub and GitLab read it."""

from __future__ import annotations

import re

from chatproof.harness.common.redaction import clipped, redacted
from chatproof.harness.report.root_causes import Cause
from chatproof.harness.report.start_here import names
from chatproof.harness.report.summary import ORDER, RunSummary, count, is_bad, is_tolerated
from chatproof.harness.report.verdicts import Overall, Row, Verdict

MOST_SCREENS, SCREEN = 20, 6_000  # a summary of GitHub Actions may have 1 MB, a comment 65,536 characters
CELL = 300  # characters
WORDS = {Overall.PASS: "✅ passed", Overall.FAIL: "❌ failed", Overall.ERROR: "⚠️ could not judge"}


def markdown(summary: RunSummary) -> str:
    """The summary: the verdict, where to start, the failures, the counts, and each failure's screen folded away."""
    when = f", {summary.began:%Y-%m-%d %H:%M %Z}" if summary.began else ""
    parts = [
        f"## chatproof {WORDS[summary.verdict]}: {_code(summary.target)}",
        f"{_totals(summary)} in {summary.seconds:.0f} s{when}. {escaped(summary.suite)}"
        f"{f', {escaped(api)}' if (api := summary.told_api) else ''}.",
    ]
    if summary.error:
        parts.append(f"**{escaped(redacted(summary.error))}**")
    parts += [f"**{escaped(redacted(line))}**" for line in summary.stale]
    if causes := summary.causes:
        parts.append("### Start here\n\n" + "\n".join(map(_cause, causes)))
    gating = [row for row in summary.rows if is_bad(row) and not is_tolerated(row, summary.strict)]
    tolerated = [row for row in summary.rows if is_tolerated(row, summary.strict)]
    for title, rows in (("Failures", gating), ("Not kept, without an effect on the verdict", tolerated)):
        if rows:
            parts.append(f"### {title}\n\n{_failures(rows)}")
    parts.append(f"### Groups\n\n{_groups(summary)}")
    if retried := [row.name for row in summary.rows if row.retried]:
        parts.append(f"Passed when tried again alone: {escaped(', '.join(retried))}.")
    if summary.command and (gating or tolerated):
        parts.append(f"One row again: {_code(f'{summary.command} --only ID')}")
    if summary.by_hand and any(row.repeat for row in summary.rows):
        parts.append(f"To repeat a failure by hand, start this first:\n\n{_fenced(summary.by_hand, 'sh')}")
    if told := [row for row in (*gating, *tolerated) if row.screens or row.verdict is Verdict.VIOLATED]:
        parts.append("### Details\n\n" + "\n\n".join(map(_folded, told[:MOST_SCREENS])))
        if len(told) > MOST_SCREENS:
            parts.append(f"… and {len(told) - MOST_SCREENS} more.")
    return "\n\n".join(parts) + "\n"


def _cause(cause: Cause) -> str:
    """A root cause as an item of a numbered list."""
    rows, effect = names(cause), "" if cause.gates else " (without an effect on the verdict)"
    head = f"**{escaped(rows)}:** " if rows else ""
    told = (("seen", cause.seen), ("expected", cause.expected))
    found = "; ".join(f"*{name}:* {escaped(_cell(redacted(text)))}" for name, text in told if text)
    lines = [f"1. {head}{escaped(redacted(cause.title))}{effect}", found, escaped(redacted(cause.do))]
    return "\\\n   ".join(line for line in lines if line)


def escaped(text: str) -> str:
    """The text, in one line, such that Markdown shows each letter and each space, also in a table's cell."""
    text = re.sub(r"[^\S ]+", " ", text.strip())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", text)
    text = re.sub(" {2,}", lambda spaces: "&nbsp;" * (len(spaces[0]) - 1) + " ", text)
    # GitHub turns these into links and mentions of people
    return text.replace("@", "@\u200b").replace("://", ":\u200b//")


def _totals(summary: RunSummary) -> str:
    counts = summary.counts
    return ", ".join(f"{counts[one]} {one}" for one in ORDER if counts[one]) or "No rows"


def _failures(rows: list[Row]) -> str:
    """A line for each finding. Rows with the same finding share a line."""
    findings: dict[tuple[str, str, str, str], list[str]] = {}
    for row in rows:
        verdict = f"{row.verdict}, known: {row.known}" if row.known else row.verdict.value
        finding = (row.requirement.level.value, verdict, _cell(row.seen), _cell(row.expected))
        findings.setdefault(finding, []).append(row.name)
    lines = ["| row | level | verdict | seen | expected |", "|---|---|---|---|---|"]
    for told, ids in findings.items():
        lines.append(f"| **{escaped(', '.join(ids))}** | " + " | ".join(map(escaped, told)) + " |")
    return "\n".join(lines)


def _groups(summary: RunSummary) -> str:
    columns = [one for one in ORDER if summary.counts[one]]
    lines = ["| group | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    for group, rows in summary.groups.items():
        counts = count(rows)
        cells = " | ".join(str(counts[one] or "·") for one in columns)
        lines.append(f"| {group} {escaped(summary.title(group))} | {cells} |")
    return "\n".join(lines)


def _folded(row: Row) -> str:
    """A row's text, why it is demanded and how servers usually break it, then its first failure, letter for letter."""
    one = row.requirement
    told = (("Why", one.why), ("Typical fault", one.typical))
    listed = "\n".join(f"- *{name}:* {text}" for name, text in told if text)
    parts = [
        f"<details><summary>{escaped(f'{row.name} {row.verdict}')}</summary>",
        one.text + (listed and f"\n{listed}"),
    ]
    parts += [_fenced(clipped(screen, SCREEN)) for screen in row.screens[:1]]
    if row.repeat:
        parts.append(f"To repeat it:\n\n{_fenced(redacted(row.repeat), 'sh')}")
    return "\n\n".join([*parts, "</details>"])


def _fenced(text: str, language: str = "text") -> str:
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _cell(text: str) -> str:
    return clipped(text, CELL)


def _code(text: str) -> str:
    return f"<code>{escaped(redacted(text))}</code>" if "`" in text else f"`{redacted(text)}`"
