"""What a run tells GitHub Actions, where it runs there: annotations in the log, and the summary of the step.

Commands in the log: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

from chatproof.harness.common.redaction import clipped
from chatproof.harness.report.markdown import markdown
from chatproof.harness.report.root_causes import Cause
from chatproof.harness.report.start_here import names
from chatproof.harness.report.summary import RunSummary

MOST: Final = 10  # annotations of one kind: GitHub shows no more of a step
TITLE, MESSAGE = 100, 1_000  # characters
LARGEST_SUMMARY: Final = 1_000_000  # bytes; GitHub refuses a step's summary of more than 1 MiB
CUT_HERE: Final = "\n\n… The rest is cut: it would be larger than GitHub allows. The reports have all of it.\n"


def is_github(variables: Mapping[str, str]) -> bool:
    """Whether these environment variables are those of a step of GitHub Actions."""
    return variables.get("GITHUB_ACTIONS") == "true"


def annotated(summary: RunSummary) -> list[str]:
    """A line for each root cause, the worst first: errors for what fails the run, warnings for what does not."""
    causes = summary.causes
    errors = [_of_cause(cause) for cause in causes if cause.gates]
    if summary.error and not causes:
        errors.insert(0, ("chatproof", summary.error))
    errors += [("chatproof: known failure", line) for line in summary.stale]
    warnings = [_of_cause(cause) for cause in causes if not cause.gates]
    return [*chain(_commands("error", errors), _commands("warning", warnings))]


def add_step_summary(summary: RunSummary, variables: Mapping[str, str]) -> str:
    """Append the Markdown report to the step's summary. Gives a line that says why that failed, or nothing."""
    if not (name := variables.get("GITHUB_STEP_SUMMARY")):
        return ""
    path = Path(name)
    try:
        room = LARGEST_SUMMARY - (path.stat().st_size if path.exists() else 0)
        with path.open("ab") as file:
            file.write(_fitting(markdown(summary), room))
    except OSError as error:
        return f"GITHUB_STEP_SUMMARY: cannot write {path}: {error.strerror}"
    return ""


def _of_cause(cause: Cause) -> tuple[str, str]:
    """Title and text."""
    found = [f"{name}: {text}" for name, text in (("seen", cause.seen), ("expected", cause.expected)) if text]
    rows = names(cause)
    return f"chatproof: {rows}" if rows else "chatproof", "\n".join(
        [cause.title, *found, *([cause.do] * bool(cause.do))]
    )


def _commands(kind: str, found: list[tuple[str, str]]) -> Iterator[str]:
    """At most `MOST` commands; the last one says how many more there are."""
    shown = found if len(found) <= MOST else found[: MOST - 1]
    for title, text in shown:
        yield f"::{kind} title={_property(clipped(title, TITLE))}::{_data(clipped(text, MESSAGE))}"
    if more := len(found) - len(shown):
        yield f"::{kind} title=chatproof::… and {more} more root causes: see the summary of the step"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _fitting(text: str, room: int) -> bytes:
    """The text in UTF-8, cut behind a line where it is too large."""
    whole = f"{text}\n".encode("utf-8", "backslashreplace")
    if len(whole) <= room:
        return whole
    end = CUT_HERE.encode()
    kept = whole[: max(0, room - len(end))].rpartition(b"\n")[0]
    return kept + end if kept else b""
