"""`locust -f loadtests/locustfile.py`, as those know it who know Locust."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from chatproof.loadtests.managed_server import managed_server
from tests.loadtests.kit import ROOT, playing, steady

REFERENCE = "python -m reference_server --port {port}"


def locust(host: str, folder: Path, *words: str) -> dict[str, Any]:
    """Run it, see that it ends well, and give the document that it wrote."""
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless"]
    command += ["--host", host, "--stop-timeout", "3", "--chat-json", str(folder / "run.json"), *words]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    document: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return document


def test_its_table_has_one_request_for_each_stream_and_the_gate_knows_the_clients_error(tmp_path: Path) -> None:
    """With no more than Locust's users know, and users chosen by name."""
    with playing(*steady()) as target:
        words = ["-u", "4", "-r", "4", "-t", "2s", "SessionChat", "--chat-slo", "ttft_p95<9s,complete_share>=99%"]
        files = ["--csv", str(tmp_path / "run"), "--json-file", str(tmp_path / "stats")]
        document = locust(target.url, tmp_path, *words, *files, "--chat-html", str(tmp_path / "run.html"))
    complete = document["outcomes"]["complete"]
    assert document["metrics"]["inter_token"]["count"] == 4 * complete > 0
    assert document["calibration"]["streams"] == 4
    # Locust's CSV may lack the last second; what it writes at its very end does not
    assert sum(row["num_requests"] for row in json.loads((tmp_path / "stats.json").read_text())) == complete
    assert (tmp_path / "run_stats.csv").exists()
    assert "chatproof load: passed" in (tmp_path / "run.html").read_text()


def test_an_open_loop_and_a_closed_one_over_sockets(tmp_path: Path) -> None:
    """Locust itself calls both by the name of what is asked for."""
    with managed_server(REFERENCE) as (target, _):
        for loop in (["--chat-rate", "4", "--chat-seconds", "2"], ["-u", "2", "-t", "2s"]):
            words = ["--chat-transport", "socketio", "--chat-message", "scenario hello", *loop]
            document = locust(target.url, tmp_path, *words, "--json-file", str(tmp_path / "stats"))
            assert document["outcomes"]["complete"] > 0
            assert set(document["outcomes"]) <= {"complete", "unfinished"}
            names = {row["name"] for row in json.loads((tmp_path / "stats.json").read_text())}
            assert names == {"chat_stream"}
