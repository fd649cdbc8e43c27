"""What a started server prints is kept in bounded memory, and never holds the server up."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

from chatproof.harness.common.kept_output import HEAD, TAIL, KeptOutput
from chatproof.harness.common.started_server import StartedServer

FLOOD = """
import os, sys, time
print("the beginning", flush=True)
block = b"x" * 1023 + bytes([10])
for _ in range(%d):
    os.write(1, block * 1024)
print("the end", flush=True)
"""


def test_beginning_and_end_are_kept_with_a_mark_between() -> None:
    output = KeptOutput()
    output.feed(b"a" * HEAD)
    for _ in range(10):
        output.feed(b"b" * TAIL)
    output.feed(b"c" * 10)
    text = output.text()
    assert text.startswith("a" * HEAD + "…\n[")
    assert text.endswith("b" * (TAIL - 10) + "c" * 10)
    assert f"[{9 * TAIL + 10} bytes are not kept]" in text
    assert len(text) < HEAD + TAIL + 100


def test_a_short_output_is_whole() -> None:
    output = KeptOutput()
    for piece in (b"one\n", b"x" * HEAD, b"two\n"):
        output.feed(piece)
    assert output.text() == "one\n" + "x" * HEAD + "two\n"


def test_a_flood_of_output_takes_no_disk_and_no_memory_and_ends_by_itself(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code = tmp_path / "flood.py"
    code.write_text(FLOOD % 500)  # half a gigabyte
    server = StartedServer.launch(f"{sys.executable} {code}", {}, 1)
    try:
        give_up = time.monotonic() + 50
        while server.exit_code is None and time.monotonic() < give_up:
            time.sleep(0.02)
        assert server.exit_code == 0
        text = server.output.text()
        assert text.startswith("the beginning\n")
        assert text.endswith("the end\n")
        server.output.write(tmp_path / "logs" / "server.log")
    finally:
        server.stop()
    assert (tmp_path / "logs" / "server.log").stat().st_size < 400_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB


def test_secrets_do_not_reach_the_log(tmp_path: Path) -> None:
    output = KeptOutput()
    output.feed(b"Authorization: Bearer abcdefgh12345\n\x1b[31mred\n")
    output.write(tmp_path / "server.log")
    assert (tmp_path / "server.log").read_text() == "Authorization: Bearer [redacted]\n\\x1b[31mred\n"


OUTLIVED = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(child.pid, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a daemon of POSIX")
def test_a_process_that_outlives_the_server_holds_nothing_up(tmp_path: Path) -> None:
    """It has the pipe still open."""
    code = tmp_path / "outlived.py"
    code.write_text(OUTLIVED)
    server = StartedServer.launch(f"{sys.executable} {code}", {}, 1)
    server.process.wait(20)
    begun = time.monotonic()
    daemon = int(server.output.text())
    server.stop()
    seconds = time.monotonic() - begun
    os.kill(daemon, signal.SIGKILL)
    assert seconds < 5
