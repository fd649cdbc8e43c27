"""A Redis of the tests' own, on a free port, which is gone with them."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from chatproof.harness.common.started_server import free_port

START_SECONDS = 10.0


class Redis:
    """A running server; it can be stopped and started again, with nothing in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen([*command, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
                return
            except redis.ConnectionError:
                assert self._process.poll() is None, "redis-server ended at once"
                assert time.monotonic() < deadline, "redis-server does not answer"
                time.sleep(0.02)

    def start_again(self) -> None:
        """Start it if it is stopped."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def stop(self) -> None:
        """Kill it: nothing is saved, and connections break."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def empty(self) -> None:
        """Delete everything in it."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


@contextmanager
def running_redis() -> Iterator[Redis]:
    """Start a Redis; skips the test where none is installed."""
    if not shutil.which("redis-server"):
        pytest.skip("left out: redis-server is not installed (Debian's package redis-server)")
    with TemporaryDirectory() as folder:
        server = Redis(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
