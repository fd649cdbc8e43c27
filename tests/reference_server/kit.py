"""A server in a process of its own, and ways to ask it."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TextIO

import httpx
import socketio  # type: ignore[import-untyped]  # it ships no types

from chatproof.fake_providers.server.launcher import FakesProcess


def running(*options: str, **environ: str) -> AbstractContextManager[tuple[subprocess.Popen[str], str]]:
    """Start a server on a free port with these settings; gives its process and its URL."""
    return running_with_log(None, *options, **environ)


@contextmanager
def running_with_log(
    log: TextIO | None, /, *options: str, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """As `running`; the server logs to this file."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "chatproof.reference_server", "--port", "0", *options],
        env={**known, **environ},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "it did not say where it listens"
        yield process, found[0]
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(10)


def new_case() -> str:
    return uuid.uuid4().hex


def journal_entry(fakes: FakesProcess, case: str, **wait: str) -> dict[str, Any]:
    params = {"case": case, "timeout": "5", **wait}
    found = httpx.get(f"{fakes.url}/_fake/journal/wait", params=params, timeout=10).json()
    assert not found["timed_out"]
    (entry,) = found["entries"]
    return dict(entry)


def connect(url: str) -> socket.socket:
    """A client connection from an address of its own, so that no test uses up another's rate limit."""
    host, port = url.removeprefix("http://").split(":")
    client = socket.socket()
    if sys.platform == "linux":  # elsewhere only 127.0.0.1 is there by itself
        client.bind((f"127.{uuid.uuid4().int % 200 + 10}.{uuid.uuid4().int % 250}.1", 0))
    client.settimeout(10)
    client.connect((host, int(port)))
    return client


def post(path: str, message: str) -> bytes:
    body = json.dumps({"message": message}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Asker:
    """python-socketio's client, with the events that came in a queue."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.client.on("*", lambda name, data: self.events.put_nowait((name, data)))

    async def leave(self) -> None:
        """Say goodbye, and wait for the client's own reader and writer."""
        await self.client.disconnect()
        tasks = (self.client.eio.read_loop_task, self.client.eio.write_loop_task)
        await asyncio.wait_for(asyncio.gather(*filter(None, tasks), return_exceptions=True), 10)

    async def ask(self, *payload: object) -> list[tuple[str, dict[str, Any]]]:
        await self.client.emit("chat_stream", *payload)
        events: list[tuple[str, dict[str, Any]]] = []
        while not events or events[-1][0] == "chat_token":
            events.append(await asyncio.wait_for(self.events.get(), 10))
        return events
