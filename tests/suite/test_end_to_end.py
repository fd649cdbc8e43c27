"""The suite against the reference server, as a user runs both."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatproof.harness.common.started_server import free_port, listens
from tests.suite.running import FAIL, OWN, PASS, ROOT, few_plugins, named, suite

QUICK = "REQ,TOK,END,ERR-01,ERR-04,SIO-01,SIO-11,SES-06,INT-01"


@pytest.fixture(scope="module")
def reference() -> Iterator[str]:
    """The reference server, offline, in its own process."""
    port = free_port()
    command = [sys.executable, "-m", "chatproof.reference_server", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not listens("127.0.0.1", port):
            assert time.monotonic() < deadline, "it never listened"
            assert process.poll() is None, "it ended"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def rows(path: Path) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}


def test_black_box(reference: str, tmp_path: Path) -> None:
    """Rows that need the provider say so; all others are judged."""
    report = tmp_path / "report.json"
    result = suite("--base-url", reference, "--only", QUICK, "--report-json", str(report))
    assert result.returncode == PASS, result.stdout
    found = rows(report)
    assert {found[name]["verdict"] for name in ("REQ-01", "TOK-03", "END-08", "ERR-04", "SIO-01")} == {"passed"}
    for name in ("TOK-04", "TOK-05", "ERR-01", "SIO-11", "INT-01"):
        assert found[name]["verdict"] == "not applicable"
        assert "--provider-url" in found[name]["seen"]
        assert found[name]["provider"] is None


def test_provider_in_the_loop(tmp_path: Path) -> None:
    """With --start the same rows are judged, by the `chatproof` command from another directory as well."""
    report = tmp_path / "report.json"
    start = "python -m reference_server --port {port}"
    command = [sys.executable, "-m", "chatproof.harness.command", "check", *named(OWN)]
    command += ["--provider", "openai", "--start", start]
    result = subprocess.run(
        [*command, "--only", "TOK-04,INT-01,END-05", "--report-json", str(report)],
        cwd=tmp_path,
        env=few_plugins(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == PASS, result.stdout
    found = rows(report)
    assert {row["verdict"] for row in found.values()} == {"passed"}
    assert {row["provider"] for row in found.values()} == {"openai"}
    assert "ms after the client left" in found["INT-01"]["seen"]


def test_a_server_that_does_not_use_the_fakes_is_not_testable(reference: str, tmp_path: Path) -> None:
    """Its own fakes are not the ones that the suite was told of."""
    report = tmp_path / "report.json"
    port = free_port()
    command = [sys.executable, "-m", "chatproof.fake_providers", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as fakes:
        assert fakes.stdout
        fakes.stdout.readline()
        options = ("--base-url", reference, "--provider-url", f"http://127.0.0.1:{port}")
        result = suite(*options, "--only", "TOK-01,TOK-04", "--report-json", str(report))
        fakes.terminate()
    assert result.returncode == FAIL, result.stdout
    found = rows(report)
    assert found["TOK-01"]["verdict"] == "passed"
    assert found["TOK-04"]["verdict"] == "not testable"
    assert "OPENAI_BASE_URL" in found["TOK-04"]["seen"]
