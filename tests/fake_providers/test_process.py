"""The fakes as a process: how it starts, how it fails to, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from chatproof.fake_providers.server.launcher import FakesStartError, start_fakes


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chatproof.fake_providers", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_it_starts_answers_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text('about = "Mine."\n[[steps]]\ntext = "mine"\n')
    monkeypatch.chdir(tmp_path)  # the package must be found from everywhere
    with start_fakes(scripts=[tmp_path]) as fakes:
        assert fakes.openai_base_url == f"{fakes.url}/v1"
        scripts = httpx.get(f"{fakes.url}/_fake/scripts", trust_env=False).json()
        assert {"hello", "mine"} <= scripts.keys()
    assert not fakes.running
    fakes.stop()


def test_it_ends_with_its_parent() -> None:
    parent = (
        "import os, signal, sys\n"
        "from chatproof.fake_providers.server.launcher import start_fakes\n"
        "fakes = start_fakes()\n"
        "sys.stdout.write(f'{fakes.pid}\\n'); sys.stdout.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, timeout=20, check=False)
    pid = int(done.stdout)
    deadline = time.monotonic() + 5
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return status != "Z"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly_also_while_a_reply_runs(number: int) -> None:
    command = [sys.executable, "-m", "chatproof.fake_providers", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        url = line.split()[4]
        assert f"OPENAI_BASE_URL={url}/v1" in line
        ask = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "scenario minute"}]}
        headers = {"authorization": "Bearer x"}
        with (
            httpx.Client(trust_env=False) as client,
            client.stream("POST", f"{url}/v1/chat/completions", json=ask, headers=headers) as response,
        ):
            assert response.status_code == 200
            process.send_signal(number)
            assert process.wait(5) == 0
        assert process.stderr.read() == ""


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", str(port))
        assert done.returncode == 2
        assert done.stderr == (
            f"fake_providers: cannot listen on 127.0.0.1:{port}: Address already in use;"
            " choose another --port (0: a free one) or --host\n"
        )
        with pytest.raises(FakesStartError, match=rf"did not start: fake_providers: cannot listen on 127.0.0.1:{port}"):
            start_fakes(port)


def test_two_fakes_do_not_share_a_port() -> None:
    with start_fakes() as first, pytest.raises(FakesStartError, match="Address already in use"):
        start_fakes(int(first.url.rpartition(":")[2]))


def test_a_broken_script_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('about = "Mine."\n[[steps]]\ntextt = "mine"\n')
    done = run("--port", "0", "--scripts", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"fake_providers: {tmp_path}/mine.toml, step 1: a step is exactly one of ")
    assert done.stderr.count("\n") == 1
    done = run("--scripts", str(tmp_path / "nowhere"))
    assert (done.returncode, done.stderr) == (2, f"fake_providers: {tmp_path}/nowhere: not a folder of scripts\n")


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "-1"], ["--host", "256.1.1.1"], ["--nope"]])
def test_bad_arguments_end_without_a_traceback(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_a_closed_standard_input_is_one_that_has_ended() -> None:
    command = f'exec "{sys.executable}" -m fake_providers --port 0 --until-stdin-closes <&-'
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_says_how_to_point_a_server_at_it() -> None:
    done = run("--help")
    assert done.returncode == 0
    for words in ("OPENAI_BASE_URL=", "scenario NAME", "--scripts DIR", "/_fake/journal"):
        assert words in done.stdout


def test_a_start_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(silent))
    before = time.monotonic()
    with pytest.raises(FakesStartError, match=r"did not say within 0\.3 s"):
        start_fakes(deadline=0.3)
    assert time.monotonic() - before < 5
    assert os.access(silent, os.X_OK)
