"""What `chatproof check` prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from chatproof.conformance.suite.progress import Progress
from chatproof.harness.protocol.requirements import contract
from tests.suite.running import FAIL, OWN, ROOT, few_plugins, named
from tests.suite.test_bad_input import ANSWER, TOLD, answers_with, serving

CHECK = [sys.executable, "-m", "chatproof.harness.command", "check", *named(OWN)]
BROKEN = f"{sys.executable} -m tests.servers.run_server --port {{port}} --variant count-from-0"


def checked(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `chatproof check` from a folder of its own."""
    environment = few_plugins(PYTHONPATH=str(ROOT), NO_COLOR="1")
    return subprocess.run(
        [*CHECK, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_block_for_each_cause_and_the_verdict_last(tmp_path: Path) -> None:
    ran = checked(tmp_path, "--start", BROKEN, "--provider", "openai", "--only", "TOK-01,TOK-02,SIO-02")
    assert ran.returncode == FAIL, ran.stdout + ran.stderr
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("Start here: 1 root cause, the worst first (chatproof explain ID")
    assert lines[1] == "1. TOK-02, SIO-02: `count` starts at 1 and rises by 1."
    assert lines[2] == "   seen: count 0 at token 1; expected: count 1"
    assert re.fullmatch(
        r"chatproof: FAIL http://127\.0\.0\.1:\d+: 1 row passed, 2 violated in \d+ s; failed: TOK-02, SIO-02", lines[-1]
    )
    assert len(lines) < 8
    for word in ("Traceback", "conformance", "Warning", "collected", "\x1b", "\r", str(tmp_path)):
        assert word not in ran.stdout


def test_the_body_of_a_500_is_in_the_first_screen_of_every_report(tmp_path: Path) -> None:
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "html", "md")}
    options = [word for kind, path in files.items() for word in (f"--report-{kind}", str(path))]
    xml = tmp_path / "junit.xml"
    with serving(answers_with("application/json", ANSWER)) as url:
        ran = checked(tmp_path, "--base-url", url, "--junit-xml", str(xml), *options)
    assert ran.returncode == FAIL, ran.stdout + ran.stderr
    (line,) = ran.stdout.splitlines()
    assert TOLD in line
    document = json.loads(files["json"].read_text(encoding="utf-8"))
    assert TOLD in document["start_here"][0]["seen"]
    first = files["md"].read_text(encoding="utf-8").partition("### Failures")[0].replace("\\", "")
    assert first.count(TOLD) == 2  # the error, and where to start
    assert TOLD in files["html"].read_text(encoding="utf-8").partition("</header>")[0]
    (failure,) = ElementTree.parse(xml).iter("failure")
    assert TOLD in failure.attrib["message"]


def test_pytest_keeps_its_own_output_with_v(tmp_path: Path) -> None:
    """And no ini of the project changes it."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    ran = checked(tmp_path, "-v", "--base-url", "http://127.0.0.1:1", "--only", "TOK-01")
    assert "test session starts" in ran.stdout
    assert "Warning" not in ran.stdout + ran.stderr


def test_what_no_verdict_explains_is_shown(tmp_path: Path) -> None:
    """A fault of pytest's, or of a test that is not the suite's."""
    (tmp_path / "test_own.py").write_text("def test_own():\n    assert 1 == 2\n", encoding="utf-8")
    with serving(answers_with("text/event-stream", "", fails=0)) as url:
        ran = checked(
            tmp_path, "--base-url", url, "--only", "TOK-01", "--profile", "core", str(tmp_path / "test_own.py")
        )
    assert "assert 1 == 2" in ran.stdout, ran.stdout + ran.stderr


def test_a_terminal_shows_what_runs_in_one_line(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    words = [*CHECK, "--start", BROKEN, "--provider", "openai", "--only", "TOK-01,TOK-02"]
    environment = few_plugins(PYTHONPATH=str(ROOT), NO_COLOR="1", TERM="xterm", COLUMNS="100")
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=theirs, stderr=theirs, stdin=theirs):
        os.close(theirs)
        text = b""
        while part := _read(ours):
            text += part
    os.close(ours)
    shown = text.decode()
    states = [one for one in re.split(r"[\r\n]+", shown) if " tests in " in one]
    assert any("failed so far: TOK-02" in one for one in states), shown
    assert all(len(one) < 100 for one in states)
    assert "\x1b" not in shown
    assert shown.rstrip().splitlines()[-1].startswith("chatproof: FAIL")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so where the other side is closed
        return b""


def test_the_progress_names_the_worst_rows_first() -> None:
    progress = Progress(contract(), total=9)
    for number, name in enumerate(("SSE-10", "TOK-01", "INT-01", "SES-08", "SSE-01", "SSE-02")):
        progress.ended(f"test {number}", [name])
    line = progress.line(["SIO-01", "SIO-01"])
    assert (
        line == "6 of 9 tests in 0 s; failed so far: INT-01, SES-08, TOK-01, SSE-10, SSE-01 … 6 rows; running: SIO-01"
    )
    assert Progress(contract(), total=2).line() == "0 of 2 tests in 0 s; no failure so far"
