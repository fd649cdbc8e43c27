"""`--workers N`: as many processes on one port. The parent starts them, and ends when one of them does."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chatproof.fake_providers.server.workers import Place
from chatproof.harness.common.child_process import child_environment

_STOP_SECONDS: Final = 5.0
_LONGEST_FOLDER: Final = 80
"""Characters: a Unix socket's path has about a hundred."""


class HerdError(RuntimeError):
    """The workers cannot run. One line."""


class Herd:
    """Workers on `host`:`port` (0: one that the system picks); `arguments` are theirs beside those."""

    def __init__(self, count: int, host: str, port: int, arguments: Sequence[str]) -> None:
        if not hasattr(socket, "SO_REUSEPORT") or sys.platform == "win32":
            raise HerdError("--workers needs a system on which processes can share a port (SO_REUSEPORT)")
        self.host = host
        self.port = port
        self._count = count
        self._arguments = tuple(arguments)
        self._workers: list[asyncio.subprocess.Process] = []

    @property
    def url(self) -> str:
        """The root URL, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def run(self, stop: asyncio.Event, started: asyncio.Event) -> None:
        """Until `stop`. OSError where the port is taken, HerdError where a worker ends by itself."""
        folder = Path(tempfile.mkdtemp(prefix="fakes-", dir=_short_folder()))
        try:
            with self._held_port():
                await self._start(folder)
                started.set()
                await self._watch(stop)
        finally:
            await self._end()
            shutil.rmtree(folder, ignore_errors=True)

    def _held_port(self) -> socket.socket:
        """The port, ours and not shared with strangers: they would get a part of the connections."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((self.host, self.port))
            self.port = alone.getsockname()[1]
        shared = socket.socket(family)
        try:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind((self.host, self.port))
        except OSError:
            shared.close()
            raise
        return shared

    async def _start(self, folder: Path) -> None:
        Place(folder, 0, self._count).turns.mkdir()
        command = [sys.executable, "-m", "chatproof.fake_providers", *self._arguments, "--until-stdin-closes"]
        command += ["--host", self.host, "--port", str(self.port)]
        for index in range(self._count):
            worker = await asyncio.create_subprocess_exec(
                *command,
                f"--worker={index}/{self._count}:{folder}",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=child_environment(),
            )
            self._workers.append(worker)
        for index, worker in enumerate(self._workers):
            assert worker.stdout is not None
            if not await worker.stdout.readline():
                raise HerdError(f"worker {index} did not start")

    async def _watch(self, stop: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        ends = [asyncio.ensure_future(worker.wait()) for worker in self._workers]
        try:
            await asyncio.wait([stopping, *ends], return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                index = next(index for index, end in enumerate(ends) if end.done())
                raise HerdError(f"worker {index} ended by itself with code {ends[index].result()}")
        finally:
            for task in (stopping, *ends):
                task.cancel()
            await asyncio.gather(stopping, *ends, return_exceptions=True)

    async def _end(self) -> None:
        for worker in self._workers:
            if worker.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    worker.send_signal(signal.SIGTERM)
        for worker in self._workers:
            try:
                await asyncio.wait_for(worker.wait(), _STOP_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    worker.kill()
                await worker.wait()
            if worker.stdin is not None:
                worker.stdin.close()


def _short_folder() -> str | None:
    return "/tmp" if len(tempfile.gettempdir()) > _LONGEST_FOLDER else None
