"""Write the reports. If one cannot be written, the others still are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from chatproof.harness.report.badge import badge
from chatproof.harness.report.document import as_json, as_text
from chatproof.harness.report.markdown import markdown
from chatproof.harness.report.page import page
from chatproof.harness.report.summary import RunSummary


class Paths(Protocol):
    """Where reports and the server's output go; None for what is not wanted."""

    @property
    def report_json(self) -> Path | None: ...
    @property
    def report_html(self) -> Path | None: ...
    @property
    def report_md(self) -> Path | None: ...
    @property
    def badge(self) -> Path | None: ...
    @property
    def server_log(self) -> Path | None: ...
    @property
    def write_baseline(self) -> Path | None: ...


def unwritable(paths: Paths) -> str:
    """Why a file could not be written, in one line, or nothing. Creates no file."""
    for option, path, _ in _wanted(paths):
        if why := _obstacle(path):
            return f"{option}: cannot write {path}: {why}"
    for option, other in (("--server-log", paths.server_log), ("--write-baseline", paths.write_baseline)):
        if other and (why := _obstacle(other)):
            return f"{option}: cannot write {other}: {why}"
    return ""


def write_reports(paths: Paths, summary: RunSummary) -> list[str]:
    """Write all that are wanted. Gives a line for each that could not be written."""
    problems: list[str] = []
    for option, path, make in _wanted(paths):
        text = make(summary)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # what a server said may hold lone surrogates
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            problems.append(f"{option}: cannot write {path}: {error.strerror}")
    return problems


def _wanted(paths: Paths) -> Iterator[tuple[str, Path, Callable[[RunSummary], str]]]:
    if paths.report_json:
        yield "--report-json", paths.report_json, _json
    if paths.report_html:
        yield "--report-html", paths.report_html, page
    if paths.report_md:
        yield "--report-md", paths.report_md, markdown
    if paths.badge:
        yield "--badge", paths.badge, badge


def _json(summary: RunSummary) -> str:
    return as_text(as_json(summary))


def _obstacle(path: Path) -> str:
    if path.is_dir():
        return "it is a directory"
    if path.exists():
        return "" if os.access(path, os.W_OK) else "permission denied"
    folder = next(one for one in path.absolute().parents if one.exists())
    if not folder.is_dir():
        return f"{folder} is no directory"
    return "" if os.access(folder, os.W_OK | os.X_OK) else "permission denied"
