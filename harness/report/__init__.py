"""The reports of a run: JSON for tools, a table for the terminal, and pages for people."""

from chatproof.harness.report.console import failure_text, remarks, situations, table, verdict_line
from chatproof.harness.report.document import as_json
from chatproof.harness.report.files import unwritable, write_reports
from chatproof.harness.report.start_here import start_here
from chatproof.harness.report.summary import RunSummary

__all__ = [
    "RunSummary",
    "as_json",
    "failure_text",
    "remarks",
    "situations",
    "start_here",
    "table",
    "unwritable",
    "verdict_line",
    "write_reports",
]
