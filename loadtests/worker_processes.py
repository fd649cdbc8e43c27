"""Worker processes on this machine: started with the run, ended with it."""

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
    """Start `count` processes, connected to `runner`; give their ids. `users`: see `loadtests.worker`.

    Raises ChatproofError.
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
            raise ChatproofError(f"--processes: a worker ended at once with exit code {ended}")
        if time.monotonic() > give_up:
            raise ChatproofError(f"--processes: only {len(runner.clients.ready)} of {len(processes)} workers came")
        gevent.sleep(0.05)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    give_up = time.monotonic() + STOP_S
    for process in processes:
        while process.poll() is None and time.monotonic() < give_up:
            gevent.sleep(0.05)
        stop(process, timeout=1)
