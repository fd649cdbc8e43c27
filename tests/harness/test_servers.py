"""Where servers that the suite starts are put."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chatproof.harness.common import started_server as servers
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.started_server import free_port

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
