"""`chatproof load` as its users see it: figures, files, exit codes, and one clear line for what is wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.loadtests.kit import HEAD, HOLD, Step, chunk, done, event, playing, reply, token

ROOT = Path(__file__).parents[2]
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>hi</html>"
LIMITED = b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\nRetry-After: 60\r\n\r\n"
SHORT = ["--no-calibration", "--duration", "2", "--drain", "1"]
SLOWED = """
about = "Slower than any objective: the first token after three seconds."
[timing]
first_token_ms = 3000
[[steps]]
text = "Late, but whole."
"""
REFERENCE = "python -m reference_server --port {port}"


def load(*words: str, timeout: float = 90, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.command", "load", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False, **more)


def steady(tokens: int = 5, gap: float = 0.02) -> list[Step]:
    """A reply whose tokens come one by one."""
    steps: list[Step] = [HEAD]
    for count in range(1, tokens + 1):
        steps += [chunk(event(token(count))), gap]
    return [*steps, chunk(event(done(tokens))) + b"0\r\n\r\n"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--host", "http://127.0.0.1:1"], "no connection to 127.0.0.1:1: Connection refused"),
        (["run", "--host", "ftp://x"], "is not an http:// or https:// URL"),
        (["run", "--host", "http://127.0.0.1:1", "--slo", "tfft_p95<1s"], "did you mean ttft?"),
        (["run", "--host", "http://127.0.0.1:1", "--users", "2", "--rate", "3"], "exclude each other"),
        (["run", "--host", "http://127.0.0.1:1", "--messages", "/nowhere/x"], "cannot read /nowhere/x"),
        (["run", "--host", "http://127.0.0.1:1", "--json", "/nowhere/x"], "there is no folder /nowhere"),
        (["run", "--host", "http://127.0.0.1:1", "--duration", "soon"], "is no time"),
        (["run", "--start", "no-such-command-here {port}"], "cannot run no-such-command-here"),
        (["run", "--start", "python -c 'raise SystemExit(3)'"], "ended at once with exit code 3"),
        (["calibrate", "--users", "0"], "can be calibrated"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(words: list[str], said: str) -> None:
    done_ = load(*words)
    assert done_.returncode == 2
    assert said in done_.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done_.stderr


def test_a_run_and_its_files(tmp_path: Path) -> None:
    with playing(*steady()) as target:
        made = load(
            *["run", "--host", target.url, "--users", "3", *SHORT, "--slo", "ttft_p95<5s,complete_share>=99%"],
            *["--json", str(tmp_path / "run.json"), "--csv", str(tmp_path / "run")],
        )
    assert made.returncode == 0, made.stdout + made.stderr
    document = json.loads((tmp_path / "run.json").read_text())
    complete = document["outcomes"]["complete"]
    assert complete > 10
    assert document["verdict"] == "passed"
    assert document["metrics"]["ttft"]["count"] == complete
    assert document["metrics"]["inter_token"]["count"] == 4 * complete
    assert sum(second["tokens"] for second in document["series"]) == 5 * complete
    assert document["trust"]["checked"] >= 1
    assert len((tmp_path / "run_metrics.csv").read_text().splitlines()) > 5
    progress = [line for line in made.stderr.splitlines() if "under way" in line]
    assert 1 <= len(progress) <= 3
    assert "PASSED" in made.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("steps", "code", "said"),
    [
        ([HTML], 1, "text/html"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], 1, "not HTTP"),
        ([HEAD, chunk(event(token(1))), HOLD], 1, "nothing came for"),
        ([LIMITED], 2, "refused with 429"),
    ],
    ids=["html", "not http", "never over", "limited"],
)
def test_a_server_that_is_none_is_told_in_the_last_line(
    tmp_path: Path, steps: list[Step], code: int, said: str
) -> None:
    with playing(*steps) as target:
        words = ["run", "--host", target.url, "--users", "2", "--think", "0.2", *SHORT]
        made = load(*words, "--json", str(tmp_path / "run.json"))
    assert made.returncode == code, made.stdout + made.stderr
    assert said in made.stdout.splitlines()[-1]
    assert json.loads((tmp_path / "run.json").read_text())["exit_code"] == code


def test_an_open_loop_waits_for_nobody(tmp_path: Path) -> None:
    """A server that serves one at a time, slower than they come: latency is the queue's, from the intended start."""
    late = [0.3, *reply(1)]
    with playing(*late, serial=True) as target:
        slow = ["run", "--host", target.url, "--no-calibration", "--slo", "ttft_max<60s", "--json"]
        load(*slow, str(tmp_path / "open.json"), "--rate", "10", "--duration", "2", "--drain", "20")
        load(*slow, str(tmp_path / "closed.json"), "--users", "1", "--duration", "2", "--drain", "20")
    opened = json.loads((tmp_path / "open.json").read_text())
    closed = json.loads((tmp_path / "closed.json").read_text())
    assert opened["outcomes"] == {"complete": 20}
    assert opened["metrics"]["ttft"]["max"] > 3.0
    assert closed["metrics"]["ttft"]["max"] < 1.5


def test_ctrl_c_keeps_the_figures(tmp_path: Path) -> None:
    with playing(*steady()) as target:
        words = ["run", "--host", target.url, "--users", "2", "--duration", "60", "--no-calibration"]
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.command", "load", *words, "--json", str(tmp_path / "run.json")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        while "under way" not in (line := process.stderr.readline()):
            assert line, "it ended before it began"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 2, out + err
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["meta"]["interrupted"]
    assert document["outcomes"]["complete"] > 0
    assert "INTERRUPTED" in out


def test_the_gate_is_green_on_a_quick_provider_and_red_on_a_slow_one(tmp_path: Path) -> None:
    (tmp_path / "slowed.toml").write_text(SLOWED)
    words = ["run", "--start", REFERENCE, "--scripts", str(tmp_path), "--users", "3", "--duration", "4"]
    slo = ["--slo", "ttft_p95<2500ms,complete_share>=99%", "--json", str(tmp_path / "run.json")]
    green = load(*words, *slo, "--message", "scenario paced")
    assert green.returncode == 0, green.stdout + green.stderr
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["calibration"]["replies"] == 6
    assert document["metrics"]["overhead"]["count"] > 0
    assert document["metrics"]["overhead"]["percentiles"]["p50"] < 1
    red = load(*words, *slo, "--message", "scenario slowed")
    assert red.returncode == 1, red.stdout + red.stderr
    assert "MISSED ttft_p95<2500ms: 3." in red.stdout


@pytest.mark.parametrize("transport", ["socketio", "session", "interrupt", "socket-interrupt", "plain"])
def test_other_users(tmp_path: Path, transport: str) -> None:
    words = ["run", "--start", REFERENCE, "--transport", transport, "--users", "2", *SHORT]
    slo = "plain_p50<30s" if transport == "plain" else "ttft_p50<30s"
    made = load(*words, "--message", "scenario paced", "--slo", slo, "--json", str(tmp_path / "run.json"))
    document = json.loads((tmp_path / "run.json").read_text())
    assert made.returncode == 0, made.stdout + made.stderr
    wanted = "interrupted" if "interrupt" in transport else "complete"
    assert set(document["outcomes"]) <= {wanted, "unfinished"}
    if wanted == "interrupted":
        assert document["metrics"]["upstream_cancel"]["count"] > 0
        assert document["metrics"]["stop_to_last_token"]["percentiles"]["p50"] < 2


def test_calibration_tells_the_clients_error() -> None:
    for transport in ("sse", "socketio"):
        made = load("calibrate", "--users", "3", "--transport", transport)
        assert made.returncode == 0, made.stderr
        assert f"calibration: 3 streams over {transport}: the client's own error is" in made.stderr


def test_search_finds_a_rate() -> None:
    with playing(0.15, *reply(1), serial=True) as target:  # 6.6 streams a second at most
        words = ["search", "--host", target.url, "--from", "4", "--to", "8", "--each", "3", "--drain", "20"]
        made = load(*words, "--slo", "ttft_p95<600ms", timeout=200)
    assert made.returncode == 0, made.stdout + made.stderr
    last = made.stdout.splitlines()[-1]
    assert 4 <= float(last.partition("objectives: ")[2].split()[0]) < 8, last


def test_locusts_own_command(tmp_path: Path) -> None:
    """Two worker processes: their figures are one, and Locust's table has one request for each stream."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with playing(*steady()) as target:
        command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless"]
        command += ["--host", target.url, "-u", "4", "-r", "4", "-t", "4s", "--processes", "2", "--stop-timeout", "3"]
        command += ["--csv", str(tmp_path / "run"), "--chat-json", str(tmp_path / "run.json")]
        command += ["--chat-slo", "ttft_p95<5s,complete_share>=99%", "--master-bind-host", "127.0.0.1"]
        command += ["--master-bind-port", str(port), "--master-port", str(port)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        master = subprocess.Popen(command, cwd=tmp_path, **pipes)  # type: ignore[call-overload]
        try:
            out, err = master.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(master.pid, signal.SIGKILL)  # the workers too, whatever became of the master
    assert master.returncode == 0, out + err
    document = json.loads((tmp_path / "run.json").read_text())
    complete = document["outcomes"]["complete"]
    assert document["meta"]["workers"] == 2
    assert document["metrics"]["inter_token"]["count"] == 4 * complete
    (row,) = [row for row in (tmp_path / "run_stats.csv").read_text().splitlines() if row.startswith(",Aggregated")]
    assert int(row.split(",")[2]) == complete
