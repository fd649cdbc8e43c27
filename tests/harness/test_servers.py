"""Where servers that the suite starts are put."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chatproof.harness.common import started_server as servers
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.started_server import StartedServer, exit_in_words, free_port

HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_each_port_is_another_and_free() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    with socket.create_server(("127.0.0.1", ports[0])):
        pass


def test_what_somebody_has_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(servers, "FIRST_PORT", taken.getsockname()[1])
        monkeypatch.setattr(servers, "PORTS", 1)
        with pytest.raises(ChatproofError, match="no port"):
            free_port()


def test_no_two_processes_get_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before a server listens there: whoever asks second gets another port."""
    monkeypatch.setattr(servers, "FIRST_PORT", free_port())
    monkeypatch.setattr(servers, "PORTS", 1)
    find = "from chatproof.harness.common import started_server as s; s.FIRST_PORT, s.PORTS = {}, 2"
    command = [sys.executable, "-c", find.format(servers.FIRST_PORT) + "; print(s.free_port())"]
    other = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert other == servers.FIRST_PORT + 1
    with pytest.raises(ChatproofError, match="no port"):
        free_port()


@pytest.mark.skipif(not HANDED_OUT.exists(), reason="no Linux")
def test_the_system_gives_none_of_them_to_others() -> None:
    lowest, _ = map(int, HANDED_OUT.read_text(encoding="ascii").split())
    if lowest != 32_768:
        pytest.skip("this system hands out other ports than Linux usually does")
    assert lowest >= servers.FIRST_PORT + servers.PORTS


DIES_ONCE = """
import os, socket, sys
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as server:
    print("life", os.getpid(), flush=True)
    server.accept()
    server.accept()
raise ValueError(f"the end of {os.getpid()}")
"""


def test_a_server_starts_again_on_its_port_with_its_own_error(tmp_path: Path) -> None:
    code = tmp_path / "server.py"
    code.write_text(DIES_ONCE)
    server = StartedServer.start(f"{sys.executable} {code}", {"KEY": "x"}, free_port(), timeout=20)
    try:
        first, port = server.process, server.target.port
        with socket.create_connection(("127.0.0.1", port)):
            first.wait(20)
        assert server.last_words() == f"; its first error line: ValueError: the end of {first.pid}"
        server.output.note_crash()
        server.restart(timeout=20)
        assert (server.target.port, server.exit_code) == (port, None)
        assert server.error_line() == ""
        with socket.create_connection(("127.0.0.1", port)):
            server.process.wait(20)
        assert server.error_line() == f"; its first error line: ValueError: the end of {server.process.pid}"
        assert f"life {first.pid}" in server.output.text()
        assert "[chatproof: the server crashed here]" in server.output.text()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "exit code 1"), (-11, "signal SIGSEGV"), (137, "exit code 137, signal SIGKILL"), (255, "exit code 255")],
)
def test_an_exit_code_is_told_in_words(code: int, words: str) -> None:
    assert exit_in_words(code) == words
