"""A real server on uvloop in a thread of its own, so that tests may block on raw sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
import uvloop

from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.scripting.script import BUILT_IN, Script, load_scripts
from chatproof.fake_providers.server.fake_server import FakeServer
from tests.fake_providers.kit import Served


@pytest.fixture(scope="session")
def scripts() -> dict[str, Script]:
    return load_scripts(BUILT_IN)


@pytest.fixture
def served(scripts: dict[str, Script]) -> Iterator[Served]:
    started: list[FakeServer] = []
    ready = threading.Event()
    stopping: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        server = FakeServer(scripts)
        await server.start()
        started.append(server)
        stopping.append(lambda: loop.call_soon_threadsafe(stop.set))
        ready.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: uvloop.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    running = Served(started[0])
    yield running
    for sock in running.sockets:
        sock.close()
    stopping[0]()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
async def fakes(served: Served) -> AsyncIterator[Fakes]:
    async with Fakes(served.url) as client:
        yield client


@pytest.fixture
async def http(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": "Bearer sk-secret"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers, trust_env=False, timeout=5) as client:
        yield client
