"""A hostile server on a port; one that is good at first has a server that keeps the contract behind it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from tests.hostile.kinds import Kind, Peer
from tests.hostile.wasteful import BEHIND
from tests.servers.parts import Config
from tests.servers.plain_server import ChatServer

READ = 65_536


@dataclass(slots=True)
class HostileServer:
    """The first connections are served honestly, and of a kind that is hostile over sockets all others too.

    `config`: of the honest server; `first`: how many connections.
    """

    kind: Kind
    config: Config
    first: int
    _honest: ChatServer | None = None
    _behind: int = 0
    _came: int = 0
    _server: asyncio.Server | None = None
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, port: int = 0) -> int:
        """Listen, and give the port."""
        if self.first:
            self._honest = BEHIND.get(self.kind.name, ChatServer)(self.config)
            self._behind = await self._honest.start()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hang up on everybody."""
        for task in self._under_way:
            task.cancel()
        if self._server:
            self._server.close()
        if self._honest:
            await self._honest.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        self._came += 1
        is_early = self._came <= self.first
        try:
            with suppress(OSError):
                start = await reader.read(READ)
                while start and b"\r\n\r\n" not in start and len(start) < READ:
                    start += await reader.read(READ) or b"\r\n\r\n"
                peer = Peer(reader, writer, start.decode("latin-1"))
                if self._behind and (is_early or (self.kind.sockets and not peer.is_socket)):
                    await self._pass_on(start, peer)
                elif start:
                    await self.kind.answer(peer)
        finally:
            self._under_way.discard(task)
            writer.close()

    async def _pass_on(self, start: bytes, peer: Peer) -> None:
        """Let the honest server answer; it sees the client's own address."""
        source = peer.writer.get_extra_info("peername")[0]
        reader, writer = await asyncio.open_connection("127.0.0.1", self._behind, local_addr=(source, 0))
        writer.write(start)
        ways = [asyncio.ensure_future(_pump(peer.reader, writer)), asyncio.ensure_future(_pump(reader, peer.writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(READ):
            writer.write(data)
            await writer.drain()


async def serve(kind: Kind, port: int) -> None:
    """Serve until the process is ended."""
    await HostileServer(kind, Config.read(), kind.first).start(port)
    await asyncio.Event().wait()
