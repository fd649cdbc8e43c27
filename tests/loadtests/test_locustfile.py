"""`locust -f loadtests/locustfile.py`, as those know it who know Locust."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from chatproof.loadtests.managed_server import managed_server
from tests.loadtests.kit import ROOT, Step, playing, steady

REFERENCE = "python -m reference_server --port {port}"


LOCUSTFILE = ROOT / "loadtests" / "locustfile.py"


def locust(host: str, folder: Path, *words: str, file: Path = LOCUSTFILE) -> dict[str, Any]:
    """Run it, see that it ends well, and give the document that it wrote."""
    command = [sys.executable, "-m", "locust", "-f", str(file), "--headless"]
    command += ["--host", host, "--stop-timeout", "3", "--report-json", str(folder / "run.json"), *words]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    document: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return document


def test_its_table_has_one_request_for_each_stream_and_the_gate_knows_the_clients_error(tmp_path: Path) -> None:
    """With no more than Locust's users know, and users chosen by name."""
    with playing(*steady()) as target:
        words = ["-u", "4", "-r", "4", "-t", "2s", "SessionChat", "--slo", "ttft_p95<9s,complete_share>=99%"]
        files = ["--csv", str(tmp_path / "run"), "--json-file", str(tmp_path / "stats")]
        document = locust(target.url, tmp_path, *words, *files, "--report-html", str(tmp_path / "run.html"))
    complete = document["outcomes"]["complete"]
    assert document["metrics"]["inter_token"]["count"] == 4 * complete > 0
    assert document["calibration"]["streams"] == 4
    # Locust's CSV may lack the last second; what it writes at its very end does not
    assert sum(row["num_requests"] for row in json.loads((tmp_path / "stats.json").read_text())) == complete
    assert (tmp_path / "run_stats.csv").exists()
    assert (tmp_path / "run_metrics.csv").exists(), "both write their tables"
    assert "chatproof load: passed" in (tmp_path / "run.html").read_text()


def test_an_open_loop_and_a_closed_one_over_sockets(tmp_path: Path) -> None:
    """Locust itself calls both by the name of what is asked for."""
    with managed_server(REFERENCE) as (target, _):
        for loop in (["--rate", "4", "--duration", "2"], ["-u", "2", "-t", "2s"]):
            words = ["--transport", "socketio", "--message", "scenario hello", *loop]
            document = locust(target.url, tmp_path, *words, "--json-file", str(tmp_path / "stats"))
            assert document["outcomes"]["complete"] > 0
            assert set(document["outcomes"]) <= {"complete", "unfinished"}
            names = {row["name"] for row in json.loads((tmp_path / "stats.json").read_text())}
            assert names == {"chat_stream"}


def test_the_documented_user_of_ones_own(tmp_path: Path) -> None:
    """As docs/load.md shows it, and as long as `--duration` says."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "load.md").read_text(), re.DOTALL)
    (tmp_path / "reader.py").write_text(example)
    asked: list[dict[str, Any]] = []

    def answer(request: bytes) -> list[Step]:
        asked.append(json.loads(request.partition(b"\r\n\r\n")[2]))
        return steady(8, 0.03)

    with playing(answer) as target:
        # so many, since each chooses its tasks by chance
        words = ["-u", "24", "-r", "24", "--duration", "3s", "--message", "the next of --messages"]
        document = locust(target.url, tmp_path, *words, file=tmp_path / "reader.py")
    assert set(document["outcomes"]) - {"unfinished"} == {"complete", "interrupted"}
    talks: dict[Any, list[str]] = {one["session_id"]: [] for one in asked if "session_id" in one}
    for one in asked:
        talks.get(one.get("session_id"), []).append(one["message"])
    assert ["What is Python?", "Say that in one sentence."] in talks.values()
    assert all(one["message"] == "the next of --messages" for one in asked if "session_id" not in one)
