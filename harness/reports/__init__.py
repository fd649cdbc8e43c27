"""What a run leaves: JSON for other tools, a table for the terminal, and pages for people."""

from harness.reports.console import failure_text, remarks, table, verdict_line
from harness.reports.document import as_json, write_json
from harness.reports.files import unwritable, write_reports
from harness.reports.summary import Summary

__all__ = [
    "Summary",
    "as_json",
    "failure_text",
    "remarks",
    "table",
    "unwritable",
    "verdict_line",
    "write_json",
    "write_reports",
]
