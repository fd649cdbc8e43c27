"""Where to start, as the terminal and Markdown show it."""

from __future__ import annotations

from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.markdown import markdown
from chatproof.harness.report.root_causes import Cause, root_causes
from chatproof.harness.report.start_here import MORE, names, start_here
from chatproof.harness.report.summary import RunSummary
from chatproof.harness.report.verdicts import Overall, Row, Verdict


def red(name: str, provider: str | None = None) -> Row:
    return Row(contract()[name], Verdict.VIOLATED, f"seen of {name}", "wanted", provider=provider)


def test_a_block_is_few_lines() -> None:
    lanes = [red("INT-01", one) for one in ("openai", "gemini")]
    lines = start_here(root_causes([*lanes, red("SSE-10"), red("TOK-02")]))
    assert lines[0] == f"Start here: 2 root causes, the worst first ({MORE})"
    assert lines[1].startswith("1. INT-01 (openai, gemini): When a client closes its SSE connection in mid-reply")
    assert lines[2] == "   seen: seen of INT-01; expected: wanted"
    assert lines[3].startswith("   Typical fault: ")
    assert lines[4] == "2. TOK-02: `count` starts at 1 and rises by 1."
    assert lines[7] == "Not kept, without an effect on the verdict:"
    assert lines[8].startswith("- SSE-10: ")


def test_all_rows_red_still_fit_in_few_lines() -> None:
    rows = [red(one.id) for one in contract() if not one.excluded]
    lines = start_here(root_causes(rows))
    assert len(lines) <= 3 * len(rows) + 2
    assert max(map(len, lines)) < 700


def test_many_rows_of_one_cause_are_counted() -> None:
    cause = Cause("x", rows=tuple(f"SES-{number:02} (openai)" for number in range(1, 15)))
    assert names(cause) == "SES-01, SES-02, SES-03, SES-04, SES-05, SES-06, SES-07, SES-08 and 6 more"


def test_secrets_and_long_texts_do_not_come_through() -> None:
    cause = Cause("long " * 200, "key sk-proj-SECRET99 " * 50, repeat="curl x", do="line\nbreak")
    lines = start_here([cause])
    assert "SECRET99" not in "".join(lines)
    assert lines[-2:] == ["   line break", "   Repeat: curl x"]
    assert all(len(line) < 600 for line in lines)


def test_a_repetition_of_many_lines_is_left_to_the_other_reports() -> None:
    assert not any("Repeat" in line for line in start_here([Cause("x", repeat="python3 - <<'END'\nEND")]))


def test_nothing_red_is_nothing_to_start_with() -> None:
    assert start_here(()) == []


def test_markdown_begins_with_the_causes() -> None:
    text = markdown(
        RunSummary("http://x", Overall.FAIL, [red("SES-08"), red("INT-01"), red("SSE-10")], contract().titles)
    )
    assert text.index("### Start here") < text.index("INT\\-01") < text.index("SES\\-08") < text.index("### Failures")
    assert "1. **INT\\-01:** When a client closes" in text
    assert "*seen:* seen of INT\\-01; *expected:* wanted\\\n" in text
