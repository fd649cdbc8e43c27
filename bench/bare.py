"""The yardstick: a bare asyncio protocol on uvloop that sends one fixed response and parses nothing.

`python -m bench.bare FILE`: FILE holds a JSON list of texts, one for each write. It prints its port.
Each write has its own iteration of the event loop, because uvloop joins the writes of one iteration into one send.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import cast

import uvloop


class Bare(asyncio.Protocol):
    """Takes every read for one complete request."""

    def __init__(self, writes: list[bytes]) -> None:
        self._writes = writes
        self._loop = asyncio.get_running_loop()
        self._next = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._next = 0
        self._write()

    def _write(self) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(self._writes[self._next])
        self._next += 1
        if self._next < len(self._writes):
            self._loop.call_soon(self._write)


async def serve(writes: list[bytes]) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Bare(writes), "127.0.0.1", 0, backlog=2048)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve([write.encode("latin-1") for write in json.loads(Path(sys.argv[1]).read_text())]))
