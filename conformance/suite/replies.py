"""A reply under way: the same interface over SSE and over Socket.IO."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chatproof.harness.client.http import Deadlines, HttpExchange
from chatproof.harness.client.socketio import SocketClient
from chatproof.harness.protocol.transcript import End, Transcript


class Stream(Protocol):
    """One ask and its reply."""

    @property
    def transcript(self) -> Transcript:
        """What has come so far."""

    async def until(self, is_reached: Callable[[Transcript], bool], timeout: float) -> bool:
        """Wait until `is_reached`, the reply's end, or `timeout` seconds. Gives whether it was reached."""

    async def finish(self) -> Transcript:
        """Wait for the reply's end, within the deadlines of the run."""

    async def leave(self) -> None:
        """Hang up in order: FIN, or Socket.IO's disconnect packet."""

    async def vanish(self) -> None:
        """Hang up by RST."""


@dataclass(slots=True)
class SseStream:
    exchange: HttpExchange

    @property
    def transcript(self) -> Transcript:
        return self.exchange.transcript

    async def until(self, is_reached: Callable[[Transcript], bool], timeout: float) -> bool:
        return await self.exchange.until(is_reached, timeout)

    async def finish(self) -> Transcript:
        return await self.exchange.finish()

    async def leave(self) -> None:
        await self.exchange.close()

    async def vanish(self) -> None:
        await self.exchange.reset()


@dataclass(slots=True)
class SocketStream:
    """A reply over Socket.IO. `owned`: the socket was opened for this reply and is closed with it."""

    client: SocketClient
    transcript: Transcript
    deadlines: Deadlines
    owned: bool

    async def until(self, is_reached: Callable[[Transcript], bool], timeout: float) -> bool:
        return await self.client.until(lambda: is_reached(self.transcript), timeout)

    async def finish(self) -> Transcript:
        await self.client.terminal(self.transcript, self.deadlines)
        if self.owned:
            await self.client.disconnect()
        return self.transcript

    async def leave(self) -> None:
        self.transcript.ended(time.monotonic(), End.LEFT)
        await self.client.disconnect()

    async def vanish(self) -> None:
        self.transcript.ended(time.monotonic(), End.LEFT)
        await self.client.vanish()
