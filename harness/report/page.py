"""The HTML report: one file that loads nothing and shows each row with pictures of its exchanges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from chatproof.harness.common.redaction import clipped, redacted
from chatproof.harness.report.evidence import Evidence
from chatproof.harness.report.summary import ORDER, RunSummary, count, is_bad, is_tolerated
from chatproof.harness.report.timeline import timeline
from chatproof.harness.report.verdicts import Overall, Row, Verdict

FOLDER = Path(__file__).parent
MOST_BYTES = 2_500_000  # of pictures; later rows go without
PICTURES, PICTURES_PASSED = 3, 1  # for a row
MOST_SCREENS, SCREEN = 4, 8_000  # for a row; characters of one
FEW = 20  # with more failed rows, those that could not be tested are folded
WORDS = {Overall.PASS: "passed", Overall.FAIL: "failed", Overall.ERROR: "could not be judged"}
FOLDED = '<details class="fold"><summary>'
MARKS = {
    Verdict.PASSED: "✓",
    Verdict.VIOLATED: "✗",
    Verdict.NOT_TESTABLE: "!",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.HARNESS_ERROR: "‼",
}
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
<title>{_text(f"chatproof: {word}: {summary.target}")}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
{body.head()}
{body.bar()}
<main>
{body.table()}
{body.rows()}
<footer>{_text(summary.suite)}. Times are of one monotonic clock; a picture's zero is the moment of the ask.</footer>
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
        self._room = MOST_BYTES
        self._drawn: dict[int, str] = {}  # the exchanges that a row above has shown already

    def head(self) -> str:
        """The verdict and what was judged."""
        summary = self.summary
        counts = ", ".join(f"{summary.counts[one]} {one}" for one in ORDER if summary.counts[one]) or "no rows"
        facts = [f"{summary.seconds:.0f} s"]
        if summary.began:
            facts.insert(0, f"{summary.began:%Y-%m-%d %H:%M:%S %Z}".strip())
        if summary.profiles:
            facts.append(f"profiles: {', '.join(summary.profiles)}")
        facts.append(f"providers: {', '.join(summary.providers) or 'none in the loop'}")
        if summary.strict:
            facts.append("strict: SHOULD rows count")
        lines = (summary.error, *(crash.text for crash in summary.crashes), *summary.stale)
        why = "".join(f'<p class="why">{_text(line)}</p>' for line in lines if line)
        return (
            f'<header class="head {summary.verdict.value}"><div><h1><b>{WORDS[summary.verdict].capitalize()}</b> '
            f"{_text(summary.target)}</h1>{why}<p>{_text(counts)}</p><p>{_text(' · '.join(facts))}</p></div></header>"
        )

    def bar(self) -> str:
        """The filter. It is hidden until the script runs, since it needs the script."""
        counts = self.summary.counts
        chips = "".join(
            f'<button type="button" class="{_class(one)}" data-verdict="{one}" aria-pressed="false">'
            f"<b>{MARKS[one]} {counts[one]}</b> {one}</button>"
            for one in CHIPS
            if counts[one]
        )
        groups = "".join(f"<option>{_text(name)}</option>" for name in self.summary.groups)
        return (
            f'<nav class="bar" hidden aria-label="Filter"><div>{chips}<select id="group" aria-label="Group">'
            f'<option value="">all groups</option>{groups}</select><input id="text" type="search" '
            'placeholder="Filter by text ( / )" aria-label="Filter by text"><span id="shown" role="status"></span>'
            "</div></nav>"
        )

    def table(self) -> str:
        columns = [one for one in ORDER if self.summary.counts[one]]
        head = "".join(f'<th scope="col">{one}</th>' for one in columns)
        lines = []
        for group, rows in self.summary.groups.items():
            counts = count(rows)
            cells = "".join(
                f'<td class="{"some " + _class(one) if counts[one] else "none"}">{counts[one] or "·"}</td>'
                for one in columns
            )
            share = "".join(
                f'<i class="{_class(one)}" style="--n:{counts[one]}"></i>' for one in columns if counts[one]
            )
            title = f"<b>{_text(group)}</b> {_text(self.summary.title(group))}"
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
            first = f"{FOLDED}To repeat a failure by hand, start this first</summary>{_shell(self.summary.by_hand)}"
            parts.insert(0, f"{first}</details>")
        if self.summary.evidence:
            parts.insert(0, f"{FOLDED}How to read the pictures</summary>{LEGEND}</details>")
        for group, rows in self.summary.groups.items():
            rest = [row for row in rows if not is_bad(row)]
            parts.append(self._section(f"{group} · {self.summary.title(group)}", rest, False))
        return "\n".join(parts)

    def _section(self, title: str, rows: Sequence[Row], is_open: bool) -> str:
        if not rows:
            return ""
        unfolded = (Verdict.VIOLATED, Verdict.HARNESS_ERROR)
        shown = "\n".join(self._row(row, is_open and (row.verdict in unfolded or len(rows) < FEW)) for row in rows)
        return f'<section class="rows"><h2>{_text(title)}</h2>\n{shown}\n</section>'

    def _row(self, row: Row, is_open: bool) -> str:
        one, name = row.requirement, row.name
        tags = [one.level.value, *(profile.value for profile in one.profiles)]
        if row.provider:
            tags.append(row.provider)
        if known := row.known or "":
            tags.append("known failure")
        shown_tags = "".join(f'<span class="tag">{_text(tag)}</span>' for tag in tags)
        text = escape(" ".join([name, one.text, redacted(row.seen), redacted(row.expected), known, *tags]), quote=True)
        facts = [
            ("seen", "seen data", _text(row.seen)),
            ("expected", "data", _text(row.expected)),
            ("known failure", "data", _text(known)),
            ("why", "", _marked(one.why)),
            ("how it is tested", "", _marked(one.how)),
            ("typical fault", "", _marked(one.typical)),
            ("repeat it", "", _shell(row.repeat)),
            ("judge it alone", "", _shell(self.summary.command_for(row))),
        ]
        listed = "".join(f'<dt>{term}</dt><dd class="{kind}">{said}</dd>' for term, kind, said in facts if said)
        return (
            f'<details class="row {_class(row.verdict)}" id="{_anchor(name)}" data-verdict="{row.verdict}" '
            f'data-group="{one.group}" data-text="{text}"{" open" if is_open else ""}><summary>'
            f'<span class="tag verdict">{MARKS[row.verdict]} {row.verdict}</span>'
            f'<span class="id">{_text(one.id)}</span><span class="text">{_marked(one.text)}</span>'
            f"{shown_tags}</summary>"
            f'<div class="inside">{f"<dl>{listed}</dl>" if listed else ""}'
            f"{''.join(self._pictures(row))}{''.join(_screens(row))}</div></details>"
        )

    def _pictures(self, row: Row) -> Iterable[str]:
        shown = self.summary.shown(row)
        for exchange in shown[: PICTURES if is_bad(row) else PICTURES_PASSED]:
            if not is_bad(row) and (above := self._drawn.get(id(exchange))):
                yield f'<p class="note">Its exchange is the one at <a href="#{_anchor(above)}">{_text(above)}</a>.</p>'
                continue
            picture = _figure(exchange, sparse=not is_bad(row))
            if len(picture) > self._room:
                yield '<p class="note">Its picture is left out: the report would grow too large.</p>'
                return
            self._room -= len(picture)
            self._drawn.setdefault(id(exchange), row.name)
            yield picture


def _figure(exchange: Evidence, sparse: bool) -> str:
    test = exchange.test.rpartition("::")[2]
    cut = f" · {exchange.cut} points of a long exchange are left out" if exchange.cut else ""
    request = re.split(r" [({]", exchange.request, maxsplit=1)[0]
    script = f" · provider: {exchange.provider[-1].name}" if exchange.provider else ""
    caption = f"<b>{_text(test)}</b> · {_text(request)}{_text(script)} · {_text(exchange.outcome)}{cut}"
    return f'<figure><figcaption>{caption}</figcaption><div class="scroll">{timeline(exchange, sparse)}</div></figure>'


def _screens(row: Row) -> Iterable[str]:
    for screen in row.screens[:MOST_SCREENS]:
        text = escape(clipped(screen, SCREEN), quote=True)
        yield f'<details class="fold"><summary>as the terminal shows it</summary><pre>{text}</pre></details>'
    if len(row.screens) > MOST_SCREENS:
        yield f'<p class="note">… and {len(row.screens) - MOST_SCREENS} more findings.</p>'


def _text(text: str) -> str:
    return escape(redacted(text), quote=True)


def _shell(lines: str) -> str:
    return f"<pre>{_text(lines)}</pre>" if lines else ""


def _marked(text: str) -> str:
    """A text of the contract with its `code` marked; what a server says may hold backticks of its own."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _class(verdict: Verdict) -> str:
    return verdict.value.replace(" ", "-")


def _anchor(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name).strip("-")


def _key(shapes: str, lane: str, text: str) -> str:
    return f'<li><svg viewBox="0 0 26 16" aria-hidden="true"><g class="{lane}">{shapes}</g></svg>{text}</li>'


LEGEND = (
    '<ul class="legend">'
    + _key('<path class="write" d="M13 15v-13"/>', "provider", "the provider writes text")
    + _key('<path class="write quiet" d="M13 15v-8"/>', "provider", "other bytes")
    + _key('<path class="read" d="M13 1v13"/>', "client", "the client reads")
    + _key('<circle class="dot" cx="13" cy="8" r="3"/>', "client", "token event")
    + _key('<path class="link" d="M13 0V16"/>', "", "passed on at once")
    + _key('<path class="link late" d="M3 0L24 16"/>', "", "250 ms late or more")
    + _key('<path class="terminal completion" d="M13 2l6 6l-6 6l-6 -6z"/>', "client", "completion")
    + _key('<path class="terminal error" d="M13 2l6 6l-6 6l-6 -6z"/>', "client", "error event")
    + _key('<path class="cross" d="M8 3l10 10m0 -10l-10 10"/>', "client", "fault or broken end")
    + _key('<path class="stop" d="M13 1v14"/>', "provider", "the server hung up on its provider")
    + _key('<path class="left" d="M13 0V16"/>', "", "the client left")
    + _key('<rect class="aftermath" x="2" y="1" width="22" height="14"/>', "", "the provider goes on for nobody")
    + _key('<path class="spot" d="M13 0V16"/>', "", "where the row was violated")
    + "</ul>"
)
