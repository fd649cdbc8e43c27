"""A full run of the suite against `dreadful_server`, which takes a minute, beside the tests of other pages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.suite.running import OWN, ROOT, few_plugins, named

TOO_LONG: Final = 300.0  # seconds
CHECK: Final = (
    *(sys.executable, "-m", "chatproof.harness.command", "check", *named(OWN)),
    *("--provider", "openai", "--contract", "1"),  # enough rows: more take time only
    *("--start", f"{sys.executable} -m tests.browser.dreadful_server --port {{port}}"),
    *("--profile", "core,socketio,chat,limits,auth,cors", "--silence", "3", "--provider-timeout", "4"),
)


@dataclass(frozen=True)
class DreadfulRun:
    """A run that has begun, and the folder of its reports."""

    process: subprocess.Popen[bytes]
    folder: Path

    @classmethod
    def begin(cls, folder: Path) -> DreadfulRun:
        reports = ("--report-html", str(folder / "report.html"), "--report-json", str(folder / "report.json"))
        with (folder / "output.txt").open("wb") as output:
            command = (*CHECK, *reports)
            process = subprocess.Popen(command, cwd=ROOT, env=few_plugins(), stdout=output, stderr=subprocess.STDOUT)
        return cls(process, folder)

    def html(self) -> Path:
        """The HTML report, once it is written."""
        self.process.wait(TOO_LONG)
        return self.folder / "report.html"

    def red_rows(self) -> list[str]:
        """The ids of the rows that are violated or not testable."""
        rows = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))["rows"]
        return [row["id"] for row in rows if row["verdict"] in ("violated", "not testable")]

    def stop(self) -> None:
        """As Ctrl-C does, so that the server ends with it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(TOO_LONG)
