"""The files of a run that the options name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests import prometheus
from chatproof.loadtests.reporting.load_report import page
from chatproof.loadtests.result import Result, write_whole


def write_files(result: Result, options: Mapping[str, Any]) -> None:
    """Write what `report_json`, `csv`, `report_html` and `report_prometheus` name; those that are missing, or None, are
    not written.

    Raises:
        ChatproofError: a file cannot be written; one line.
    """
    json, csv, html, text = map(options.get, ("report_json", "csv", "report_html", "report_prometheus"))
    try:
        if json:
            result.write_json(Path(json))
        if csv:
            result.write_csv(csv)
        if html:
            write_whole(Path(html), page(result))
        if text:
            write_whole(Path(text), prometheus.text(result))  # whole: the textfile collector may read it
    except OSError as error:
        raise ChatproofError(f"cannot write {error.filename}: {error.strerror}") from error
