"""One process that holds many servers, a port each: `python -m tests.servers.host`, asked by `LineProcess`.

    {"open": "crlf", "environment": {"OPENAI_BASE_URL": "http://127.0.0.1:8089/v1", ...}}  ->  {"port": 40001}
    {"open": "fakes"}                                                                      ->  {"port": 40002}
    {"close": 40001}                                                                       ->  {"port": 40001}

What only one kind of server needs is imported with the first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from tests.servers.line_process import answer_lines, run

FAKES = "fakes"


class Hosted(Protocol):
    """A server that is open."""

    async def stop(self) -> None:
        """Stop listening, and drop what is under way."""


class Host:
    """The servers that are open, by port."""

    def __init__(self) -> None:
        self.servers: dict[int, Hosted] = {}

    async def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Open or close a server."""
        if "close" in question:
            await self.servers.pop(question["close"]).stop()
            return {"port": question["close"]}
        port, server = await (_open_fakes() if question["open"] == FAKES else _open_server(**question))
        self.servers[port] = server
        return {"port": port}


async def _open_fakes() -> tuple[int, Hosted]:
    from chatproof.fake_providers.server.fake_server import FakeServer

    fakes = FakeServer()
    await fakes.start()
    return fakes.port, fakes


async def _open_server(open: str, environment: Mapping[str, str]) -> tuple[int, Hosted]:
    from tests.servers.catalogue import SERVERS
    from tests.servers.parts import Config

    server = SERVERS[open](Config.read(environment))
    return await server.start(), server


async def main() -> None:
    """Answer until standard input ends."""
    logging.disable()  # broken servers have much to tell, and nobody wants to know
    await answer_lines(Host().answer)


if __name__ == "__main__":
    run(main)
