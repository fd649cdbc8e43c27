"""Starts a public server behind our fakes, judges it, and runs the script of each violated row."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from chatproof.harness.common import child_process
from field.judged import CANNOT_TELL, STANDS, FieldRow, Judged, Shown
from field.public_servers import FIELD, PublicServer

REPRO: Final = FIELD / "repro"
_LONGEST_CHECK: Final = 900  # seconds
_LONGEST_SCRIPT: Final = 120.0
_NOWHERE: Final = "http://127.0.0.1:9"


class NotJudged(Exception):
    """A server could not be judged. Its text is one line."""


def judge(server: PublicServer, command: Sequence[str], folder: Path) -> Judged:
    """Judge an installed server. The scripts of the rows that it violates are still to be run: `prove`.

    Args:
        command: what starts it, with `{port}` for the port.
        folder: where the reports are written.

    Raises:
        NotJudged: the suite wrote no report, or could not judge.
    """
    report = _report(server, command, folder)
    rows = [FieldRow(row["id"], row["level"], row["verdict"], row["seen"]) for row in report["rows"]]
    return Judged(server.name, f"{datetime.now(UTC):%Y-%m-%d}", report["suite"], server.versions(), rows, {})


def prove(server: PublicServer, judged: Judged, folder: Path) -> None:
    """Run the script of each violated row, unless it has shown the fault already. Raises NotInstalled."""
    for row in judged.violated(server.exempt):
        before = judged.scripts.get(row.id)
        if (script := script_of(server.name, row.id)) is not None and (before is None or before.code != STANDS):
            judged.scripts[row.id] = show(script, server.installed(folder))


def script_of(name: str, row: str) -> Path | None:
    """The script that shows a violated row without chatproof, or None."""
    return next((path for end in ("py", "js", "mjs") if (path := REPRO / f"{name}-{row}.{end}").is_file()), None)


def show(script: Path, command: Sequence[str]) -> Shown:
    """Run a script with the command that starts its server. One that prints more than its line has failed itself."""
    runner = [sys.executable] if script.suffix == ".py" else ["node"]
    code, said = _run([*runner, str(script), *command], _LONGEST_SCRIPT)
    lines = said.strip().splitlines() or [""]
    return Shown(code if len(lines) == 1 else CANNOT_TELL, lines[-1])


def _report(server: PublicServer, command: Sequence[str], folder: Path) -> dict[str, Any]:
    path = folder / "reports" / f"{server.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    words = ["check", "--start", shlex.join(command), *server.judged_as]
    words += ["--provider", "openai", "--time-limit", str(_LONGEST_CHECK)]
    words += ["--report-json", str(path), "--server-log", str(path.with_suffix(".log"))]
    code, said = _run([*child_process.module_command("harness.command"), *words], _LONGEST_CHECK + 120)
    path.with_suffix(".txt").write_text(said, encoding="utf-8")
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        last = said.strip().splitlines() or [f"exit code {code}"]
        raise NotJudged(f"{server.title}: the suite wrote no report: {last[-1]}") from None
    if found["error"] or not found["rows"]:
        raise NotJudged(f"{server.title}: {found['error'] or 'no row was judged'}")
    return found


def _run(command: Sequence[str], longest: float) -> tuple[int, str]:
    """The exit code and the output of a program, which ends with all that it started within `longest` seconds."""
    process = child_process.launch(command, environment=_variables(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said, _ = process.communicate(timeout=longest)
    except subprocess.TimeoutExpired:
        said = f"{Path(command[1]).name}: not done within {longest:g} s".encode()
    finally:
        child_process.stop(process)
    return process.returncode, said.decode("utf-8", "replace")


def _variables() -> dict[str, str]:
    """The environment: nobody to reach but this machine."""
    kept = {name: value for name, value in child_process.child_environment().items() if "proxy" not in name.lower()}
    path = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath)))
    local = {"HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "NO_PROXY": "127.0.0.1,localhost"}
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "COPILOTKIT_TELEMETRY_DISABLED": "true", "DO_NOT_TRACK": "1"}
    return {**kept, **local, **quiet, "PATH": path}
