"""Start the chat servers that are measured, each with its own fakes behind it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import httpx
import psutil

from bench import proxies
from bench.peers import Proxy
from bench.servers import Cores, Server, start, stopping, wait_for
from chatproof.fake_providers.server.launcher import start_fakes
from chatproof.harness.common.child_process import child_environment
from chatproof.harness.common.started_server import free_port

_OWN_SETTINGS: Final = ("LLM_PROVIDER", "REDIS_URL", "SECRET_KEY", "JWT_SECRET_KEY", "ALLOWED_ORIGINS", "HOST", "PORT")
"""Settings of the reference server that must not come from the environment of the benchmark."""


@dataclass(frozen=True, slots=True)
class Behind:
    """A chat server and the fakes that are its provider."""

    server: Server
    fakes: Server
    fakes_url: str

    def memory(self) -> int:
        """Return the RSS of the server and its children, in bytes."""
        process = psutil.Process(self.server.pid)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))


@dataclass(frozen=True, slots=True)
class Busy:
    """Shares of a core. `others`: the share of the server's core that unrelated programs took; None: unknown."""

    server: float
    fakes: float
    client: float
    others: float | None


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds used so far, at the time.monotonic() `at`."""

    at: float
    server: float
    fakes: float
    client: float
    core: float | None

    @classmethod
    def now(cls, behind: Behind, cores: Cores) -> Self:
        server, fakes = behind.server.cpu() or 0.0, behind.fakes.cpu() or 0.0
        return cls(time.monotonic(), server, fakes, time.process_time(), cores.busy())

    def since(self, before: Used) -> Busy:
        lasted = self.at - before.at
        server = (self.server - before.server) / lasted
        core = None if self.core is None or before.core is None else (self.core - before.core) / lasted
        others = None if core is None else max(0.0, core - server)
        return Busy(server, (self.fakes - before.fakes) / lasted, (self.client - before.client) / lasted, others)


Starter = Callable[[dict[str, str]], AbstractContextManager[Behind]]
"""Starts a server, and fakes with these scripts."""


def ours(cores: Cores) -> Starter:
    """Our reference server, as its README starts it."""

    def command(port: int, base_url: str) -> list[str]:
        return [sys.executable, "-m", "chatproof.reference_server", "--port", str(port)]

    return lambda scripts: _behind(cores, "the reference server", command, scripts)


def proxy(cores: Cores, peer: Proxy) -> Starter:
    """One of the proxies in `bench/proxies`."""
    file = Path(proxies.__file__).parent / f"{peer.module}.py"

    def command(port: int, base_url: str) -> list[str]:
        return [peer.python, str(file), str(port), base_url]

    return lambda scripts: _behind(cores, peer.module, command, scripts)


@contextmanager
def _behind(
    cores: Cores, name: str, command: Callable[[int, str], list[str]], scripts: dict[str, str]
) -> Iterator[Behind]:
    with start_fakes() as fakes:  # on the client's core, as this process is
        for script, text in scripts.items():
            httpx.put(f"{fakes.url}/_fake/scripts/{script}", content=text, trust_env=False).raise_for_status()
        port = free_port()
        variables = {
            **dict.fromkeys(_OWN_SETTINGS, ""),
            "PYTHONPATH": child_environment()["PYTHONPATH"],
            "OPENAI_API_KEY": "bench",
            "OPENAI_BASE_URL": fakes.openai_base_url,
        }
        process = start(command(port, fakes.openai_base_url), cores, variables)
        with stopping(process):
            wait_for(port, process, name)
            behind = Server(int(fakes.url.rpartition(":")[2]), fakes.pid)
            yield Behind(Server(port, process.pid), behind, fakes.url)


def raise_file_limit(wanted: int) -> int:
    """Raise the limit of open files of this process and its children, as far as allowed. Returns the limit."""
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)


def load_average() -> str:
    """Return the machine's load average over the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
