"""The plain server behind a front of raw TCP: what a front does to the bytes of HTTP, no framework sees."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from aiohttp import web

from tests.servers.plain_server import ChatServer

PACKET = 1 << 16


class Fronted(ChatServer):
    """The front passes everything on. It is the server's only client, so there are no limits."""

    async def start(self, port: int = 0) -> int:
        self.inside = await super().start()
        self.front = await asyncio.start_server(self.serve_one, "127.0.0.1", port, backlog=512)
        return int(self.front.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self.front.close()
        await super().stop()

    def keep_to_limit(self, request: web.Request, route: str) -> None:
        """Everybody, as often as they like."""

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.inside)
        answers = asyncio.create_task(self._pass_back(from_server, writer))
        with suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            await self.take_requests(reader, to_server)
        to_server.close()
        answers.cancel()
        writer.close()

    async def take_requests(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        """Pass on what a client sends, until it hangs up."""
        while packet := await reader.read(PACKET):
            server.write(self.packet(packet))

    def packet(self, packet: bytes) -> bytes:
        """What becomes of one packet of a client."""
        return packet

    async def _pass_back(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while packet := await server.read(PACKET):
                client.write(packet)
                await client.drain()
        client.close()


async def whole_request(reader: asyncio.StreamReader, length: bytes = rb"(?i)content-length: (\d+)") -> bytes:
    """One request with its body. `length`: finds the size of the body in its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(length, head)
    return head + await reader.readexactly(int(found[1]) if found else 0)


def with_length(packet: bytes) -> bytes:
    """A request whose length is that of the body that came with its head: the rest is forgotten."""
    head, _, body = packet.partition(b"\r\n\r\n")
    framing = (b"content-length", b"transfer-encoding")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(framing)]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])
