"""The badge for a README: an SVG with the verdict."""

from __future__ import annotations

from html import escape

from chatproof.harness.report.summary import RunSummary
from chatproof.harness.report.verdicts import Overall, Verdict

NAME = "chatproof"
GREEN, RED, GREY = "#2b7a3e", "#b3261e", "#5f6670"  # white text has a contrast of 4.5 and more on each
LABEL = "#30363d"
HEIGHT, PADDING, SIZE = 20, 7, 11  # px
# advance widths of Verdana at 11 px, by shape: what a badge's text is laid out for
NARROW, WIDE = "iIjlft|.,:;!'()[] 1", "mwMW%@"


def badge(summary: RunSummary) -> str:
    """The badge of a run: green, red, or grey where nothing was judged."""
    text, color = _message(summary)
    left, right = (round(_width(part)) + 2 * PADDING for part in (NAME, text))
    title = escape(f"{NAME}: {text}", quote=True)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{HEIGHT}" role="img" aria-label="{title}">
<title>{title}</title>
<clipPath id="r"><rect width="{left + right}" height="{HEIGHT}" rx="4"/></clipPath>
<g clip-path="url(#r)"><rect width="{left}" height="{HEIGHT}" fill="{LABEL}"/>\
<rect x="{left}" width="{right}" height="{HEIGHT}" fill="{color}"/></g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="{SIZE}" text-anchor="middle">
<text x="{left / 2:g}" y="14" textLength="{left - 2 * PADDING}">{NAME}</text>
<text x="{left + right / 2:g}" y="14" textLength="{right - 2 * PADDING}">{escape(text)}</text>
</g></svg>
"""


def _message(summary: RunSummary) -> tuple[str, str]:
    counts = summary.counts
    passed, bad = counts[Verdict.PASSED], sum(row.gates(summary.strict) for row in summary.rows)
    if summary.verdict is Overall.ERROR:
        return "not judged", GREY
    if summary.verdict is Overall.FAIL:
        return (f"{bad} failed, {passed} passed" if bad else "failed"), RED
    return f"{passed} passed", GREEN


def _width(text: str) -> float:
    """The text's width in px, roughly; `textLength` corrects it."""
    return sum(3.9 if one in NARROW else 10.0 if one in WIDE else 7.0 for one in text)
