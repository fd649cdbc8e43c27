"""Starts a run's worker processes on this machine, and ends them with the run."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from locust.runners import MasterRunner

from chatproof.harness.common.child_process import launch, module_command, stop
from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.behaviour import Behaviour

START_S: Final = 30.0
STOP_S: Final = 5.0


@contextmanager
def workers(runner: MasterRunner, count: int, users: str, options: Behaviour) -> Iterator[list[int]]:
    """Start `count` workers of `runner` and give their process ids.

    Args:
        users: a transport, or `worker.OPEN`.

    Raises:
        ChatproofError: a worker ended, or did not connect in time.
    """
    told = {"port": runner.server.port, "users": users, "options": options.to_json()}
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            # on standard input: a JWT on the command line could be read by everyone
            process = launch(module_command("loadtests.worker"), stdin=subprocess.PIPE)
            processes.append(process)
            assert process.stdin is not None
            process.stdin.write(json.dumps(told).encode())
            process.stdin.close()
        _wait(runner, processes)
        yield [process.pid for process in processes]
    finally:
        _stop(processes)


def _wait(runner: MasterRunner, processes: list[subprocess.Popen[bytes]]) -> None:
    give_up = time.monotonic() + START_S
    while len(runner.clients.ready) < len(processes):
        ended: Any = next((one.returncode for one in processes if one.poll() is not None), None)
        if ended is not None:
            raise ChatproofError(f"--processes: a worker ended with exit code {ended} before it connected")
        if time.monotonic() > give_up:
            ready = f"{len(runner.clients.ready)} of {len(processes)}"
            raise ChatproofError(f"--processes: only {ready} workers connected within {START_S:.0f} s")
        gevent.sleep(0.05)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    give_up = time.monotonic() + STOP_S
    for process in processes:
        while process.poll() is None and time.monotonic() < give_up:
            gevent.sleep(0.05)
        stop(process, timeout=1)
