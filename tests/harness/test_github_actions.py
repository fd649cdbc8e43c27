"""What a run tells GitHub Actions: commands that are escaped and few, and a summary that is not too large."""

from __future__ import annotations

import re
from pathlib import Path

from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.github_actions import (
    CUT_HERE,
    LARGEST_SUMMARY,
    MOST,
    add_step_summary,
    annotated,
    is_github,
)
from chatproof.harness.report.summary import RunSummary
from chatproof.harness.report.verdicts import Overall, Row, Verdict

COMMAND = re.compile(r"::(error|warning) title=([^:,\n\r]*)::([^\n\r]*)")


def summary(*rows: Row, **more: object) -> RunSummary:
    return RunSummary("http://x", Overall.FAIL, rows, contract().titles, **more)  # type: ignore[arg-type]


def red(name: str, seen: str = "seen it") -> Row:
    return Row(contract()[name], Verdict.VIOLATED, seen, "wanted")


def read(lines: list[str]) -> list[tuple[str, str, str]]:
    """Kind, title and text of each command, as the runner of GitHub reads them."""
    found = []
    for line in lines:
        parts = COMMAND.fullmatch(line)
        assert parts, line
        kind, title, text = parts.groups()
        for code, letter in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            title, text = title.replace(code, letter), text.replace(code, letter)
        found.append((kind, title, text))
    return found


def test_a_cause_is_an_error_with_all_that_helps() -> None:
    ((kind, title, text),) = read(annotated(summary(red("TOK-02", "100% of count 0\r\n::error::fake"))))
    assert (kind, title) == ("error", "chatproof: TOK-02")
    assert text.startswith("`count` starts at 1 and rises by 1.\nseen: 100% of count 0")
    assert "expected: wanted\nTypical fault: " in text


def test_what_does_not_fail_the_run_is_a_warning() -> None:
    found = read(annotated(summary(red("TOK-02"), red("SSE-10"))))
    assert [(kind, title) for kind, title, _ in found] == [
        ("error", "chatproof: TOK-02"),
        ("warning", "chatproof: SSE-10"),
    ]


def test_there_are_few_of_each_kind() -> None:
    rows = [red(one.id, f"seen {one.id}") for one in contract() if not one.excluded]
    found = read(annotated(summary(*rows)))
    for name in ("error", "warning"):
        mine = [text for kind, _, text in found if kind == name]
        assert len(mine) == MOST
        assert re.fullmatch(r"… and \d+ more root causes: see the summary of the step", mine[-1])
    assert max(len(text) for _, _, text in found) < 1_200


def test_secrets_and_long_texts_are_not_annotated() -> None:
    ((_, _, text),) = read(annotated(summary(red("TOK-02", f"sk-proj-SECRET1234567890 {'x' * 5_000}"))))
    assert "SECRET" not in text
    assert len(text) < 1_200


def test_a_run_that_could_not_judge_and_a_known_failure_that_passes_are_errors() -> None:
    assert read(annotated(summary(error="no server: x, y"))) == [("error", "chatproof", "no server: x, y")]
    stale = "TOK-02 passes, but is a known failure in known.toml: remove it"
    assert read(annotated(summary(stale=[stale]))) == [("error", "chatproof: known failure", stale)]


def test_only_there() -> None:
    assert is_github({"GITHUB_ACTIONS": "true"})
    assert not is_github({"CI": "true"})
    assert not is_github({"GITHUB_ACTIONS": "false"})


def test_the_summary_is_appended_and_fits(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("# mine\n", encoding="utf-8")
    variables = {"GITHUB_STEP_SUMMARY": str(path)}
    assert add_step_summary(summary(red("TOK-02")), variables) == ""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# mine\n## chatproof ❌ failed")
    path.write_bytes(b"x" * (LARGEST_SUMMARY - 400))
    assert add_step_summary(summary(red("TOK-02")), variables) == ""
    assert path.stat().st_size <= LARGEST_SUMMARY
    assert path.read_text(encoding="utf-8").endswith(CUT_HERE)
    path.write_bytes(b"x" * LARGEST_SUMMARY)
    assert add_step_summary(summary(red("TOK-02")), variables) == ""
    assert path.stat().st_size == LARGEST_SUMMARY


def test_a_summary_that_cannot_be_written_is_a_line(tmp_path: Path) -> None:
    assert add_step_summary(summary(red("TOK-02")), {}) == ""
    said = add_step_summary(summary(red("TOK-02")), {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert said.startswith(f"GITHUB_STEP_SUMMARY: cannot write {tmp_path}: ")
