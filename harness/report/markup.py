"""Markup of the HTML report. All text that a server may have said goes through here: redacted, then escaped."""

from __future__ import annotations

import re
from html import escape

from chatproof.harness.common.redaction import redacted
from chatproof.harness.report.verdicts import Verdict

MARKS = {
    Verdict.PASSED: "✓",
    Verdict.VIOLATED: "✗",
    Verdict.NOT_TESTABLE: "!",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.HARNESS_ERROR: "‼",
}


def text_of(text: str) -> str:
    """The text as HTML shows it, letter for letter."""
    return escape(redacted(text), quote=True)


def marked(text: str) -> str:
    """A text of the contract with its `code` marked; what a server says may hold backticks of its own."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text_of(text))


def shell(lines: str) -> str:
    """Lines for a shell, or nothing."""
    return f"<pre>{text_of(lines)}</pre>" if lines else ""


def folded(title: str, inside: str, is_open: bool = False) -> str:
    """A part that opens by a click. `title` and `inside` are markup."""
    return f'<details class="fold"{" open" if is_open else ""}><summary>{title}</summary>{inside}</details>'


def css_class(verdict: Verdict) -> str:
    return verdict.value.replace(" ", "-")


def anchor(name: str) -> str:
    """The address of a row on its page."""
    return re.sub(r"[^\w-]+", "-", name).strip("-")


def verdict_tag(verdict: Verdict) -> str:
    return f'<span class="tag verdict {css_class(verdict)}">{MARKS[verdict]} {verdict}</span>'
