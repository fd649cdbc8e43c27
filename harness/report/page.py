"""The HTML report: one file that loads nothing and shows each row with pictures of its exchanges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from chatproof.harness.common.redaction import clipped, redacted
from chatproof.harness.report.failure_list import failure_list, where_to_start
from chatproof.harness.report.markup import MARKS, anchor, css_class, folded, marked, shell, text_of, verdict_tag
from chatproof.harness.report.pictures import LEGEND, Pictures
from chatproof.harness.report.summary import ORDER, RunSummary, count, is_bad, is_tolerated
from chatproof.harness.report.verdicts import Overall, Row, Verdict

FOLDER = Path(__file__).parent
MOST_SCREENS, SCREEN = 4, 8_000  # for a row; characters of one
FEW = 20  # with more failed rows, those that could not be tested are folded
WORDS = {Overall.PASS: "passed", Overall.FAIL: "failed", Overall.ERROR: "could not be judged"}
CHIPS = (
    Verdict.VIOLATED,
    Verdict.NOT_TESTABLE,
    Verdict.HARNESS_ERROR,
    Verdict.PASSED,
    Verdict.NOT_APPLICABLE,
)  # what asks for attention first


def page(summary: RunSummary) -> str:
    """The report as a page. All text of servers is escaped, and its policy allows nothing to be loaded."""
    body = PageBody(summary)
    style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    word = WORDS[summary.verdict]
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{text_of(f"chatproof: {word}: {summary.target}")}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
{body.head()}
{body.bar()}
<main>
{body.failures()}
{body.table()}
{body.rows()}
<footer>{text_of(summary.suite)}. Times are of one monotonic clock; a picture's zero is the moment of the ask.</footer>
</main>
<script>
{script}</script>
</body>
</html>
"""


class PageBody:
    """The parts of the page."""

    def __init__(self, summary: RunSummary) -> None:
        self.summary = summary
        self.causes = summary.causes
        self.pictures = Pictures(summary, {name: cause for cause in self.causes for name in cause.rows})

    def head(self) -> str:
        """The verdict and what was judged."""
        summary = self.summary
        counts = ", ".join(f"{summary.counts[one]} {one}" for one in ORDER if summary.counts[one]) or "no rows"
        facts = [f"{summary.seconds:.0f} s"]
        if summary.began:
            facts.insert(0, f"{summary.began:%Y-%m-%d %H:%M:%S %Z}".strip())
        if summary.told_api:
            facts.append(summary.told_api)
        if summary.profiles:
            facts.append(f"profiles: {', '.join(summary.profiles)}")
        facts.append(f"providers: {', '.join(summary.providers) or 'none in the loop'}")
        if summary.strict:
            facts.append("strict: SHOULD rows count")
        lines = (summary.error, *(crash.text for crash in summary.crashes), *summary.stale)
        why = "".join(f'<p class="why">{text_of(line)}</p>' for line in lines if line)
        return (
            f'<header class="head {summary.verdict.value}"><div><h1><b>{WORDS[summary.verdict].capitalize()}</b> '
            f"{text_of(summary.target)}</h1>{why}<p>{text_of(counts)}</p><p>{text_of(' · '.join(facts))}</p>"
            "</div></header>"
        )

    def bar(self) -> str:
        """The filter. It is hidden until the script runs, since it needs the script."""
        counts = self.summary.counts
        chips = "".join(
            f'<button type="button" class="{css_class(one)}" data-verdict="{one}" aria-pressed="false">'
            f"<b>{MARKS[one]} {counts[one]}</b> {one}</button>"
            for one in CHIPS
            if counts[one]
        )
        groups = "".join(f"<option>{text_of(name)}</option>" for name in self.summary.groups)
        return (
            f'<nav class="bar" hidden aria-label="Filter"><div>{chips}<select id="group" aria-label="Group">'
            f'<option value="">all groups</option>{groups}</select><input id="text" type="search" '
            'placeholder="Filter by text ( / )" aria-label="Filter by text"><span id="shown" role="status"></span>'
            "</div></nav>"
        )

    def failures(self) -> str:
        """Where to start, and a line for each failure."""
        bad = [row for row in self.summary.rows if is_bad(row)]
        return where_to_start(self.causes) + failure_list(bad, self.causes)

    def table(self) -> str:
        columns = [one for one in ORDER if self.summary.counts[one]]
        head = "".join(f'<th scope="col">{one}</th>' for one in columns)
        lines = []
        for group, rows in self.summary.groups.items():
            counts = count(rows)
            cells = "".join(
                f'<td class="{"some " + css_class(one) if counts[one] else "none"}">{counts[one] or "·"}</td>'
                for one in columns
            )
            share = "".join(
                f'<i class="{css_class(one)}" style="--n:{counts[one]}"></i>' for one in columns if counts[one]
            )
            title = f"<b>{text_of(group)}</b> {text_of(self.summary.title(group))}"
            shares = f'<td class="share"><span aria-hidden="true">{share}</span></td>'
            lines.append(f'<tr><th scope="row">{title}</th>{cells}{shares}</tr>')
        return (
            f'<h2>Groups</h2><div class="scroll"><table><thead><tr><th scope="col">group</th>{head}'
            f'<th class="share"></th></tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
        )

    def rows(self) -> str:
        """All rows; the failed ones come first and are open."""
        strict = self.summary.strict
        tolerated = [row for row in self.summary.rows if is_tolerated(row, strict)]
        failed = [row for row in self.summary.rows if is_bad(row) and not is_tolerated(row, strict)]
        parts = [self._section("Failures", failed, True)]
        parts.append(self._section("Not kept, without an effect on the verdict", tolerated, True))
        if self.summary.by_hand and any(row.repeat for row in self.summary.rows):
            parts.insert(0, folded("To repeat a failure by hand, start this first", shell(self.summary.by_hand)))
        if self.summary.evidence:
            parts.insert(0, folded("How to read the pictures", LEGEND))
        for group, rows in self.summary.groups.items():
            rest = [row for row in rows if not is_bad(row)]
            parts.append(self._section(f"{group} · {self.summary.title(group)}", rest, False))
        return "\n".join(parts)

    def _section(self, title: str, rows: Sequence[Row], is_open: bool) -> str:
        if not rows:
            return ""
        unfolded = (Verdict.VIOLATED, Verdict.HARNESS_ERROR)
        shown = "\n".join(self._row(row, is_open and (row.verdict in unfolded or len(rows) < FEW)) for row in rows)
        return f'<section class="rows"><h2>{text_of(title)}</h2>\n{shown}\n</section>'

    def _row(self, row: Row, is_open: bool) -> str:
        one, name = row.requirement, row.name
        tags = [one.level.value, *(profile.value for profile in one.profiles)]
        if row.provider:
            tags.append(row.provider)
        if known := row.known or "":
            tags.append("known failure")
        shown_tags = "".join(f'<span class="tag">{text_of(tag)}</span>' for tag in tags)
        text = escape(" ".join([name, one.text, redacted(row.seen), redacted(row.expected), known, *tags]), quote=True)
        facts = [
            ("seen", "seen data", text_of(row.seen)),
            ("expected", "data", text_of(row.expected)),
            ("known failure", "data", text_of(known)),
            ("why", "", marked(one.why)),
            ("how it is tested", "", marked(one.how)),
            ("typical fault", "", marked(one.typical)),
            ("repeat it", "", shell(row.repeat)),
            ("judge it alone", "", shell(self.summary.command_for(row))),
        ]
        listed = "".join(f'<dt>{term}</dt><dd class="{kind}">{said}</dd>' for term, kind, said in facts if said)
        drawn = "".join(self.pictures.of(row))
        return (
            f'<details class="row {css_class(row.verdict)}" id="{anchor(name)}" data-verdict="{row.verdict}" '
            f'data-group="{one.group}" data-text="{text}"{" open" if is_open else ""}><summary>'
            f'{verdict_tag(row.verdict)}<span class="id">{text_of(one.id)}</span>'
            f'<span class="text">{marked(one.text)}</span>{shown_tags}</summary>'
            f'<div class="inside">{f"<dl>{listed}</dl>" if listed else ""}'
            f"{drawn}{''.join(_screens(row, is_bad(row) and '<figure>' not in drawn))}</div></details>"
        )


def _screens(row: Row, is_open: bool) -> Iterable[str]:
    """A row's failures, letter for letter. `is_open`: the first one explains what no picture shows."""
    for number, screen in enumerate(row.screens[:MOST_SCREENS]):
        text = escape(clipped(screen, SCREEN), quote=True)
        yield folded("as the terminal shows it", f"<pre>{text}</pre>", is_open and number == 0)
    if len(row.screens) > MOST_SCREENS:
        yield f'<p class="note">… and {len(row.screens) - MOST_SCREENS} more findings.</p>'
