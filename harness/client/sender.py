"""Sends a request, at once or in pieces."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from chatproof.harness.client.connection import TcpConnection
from chatproof.harness.client.manner import Manner
from chatproof.harness.protocol.transcript import Transcript

PACKET_PAUSE: Final = 0.05  # seconds between two packets, so that a server can see the first one alone
HELD_BACK: Final = 1.0  # seconds that a client waits for `100 Continue`, as curl does


@dataclass(slots=True)
class Sender:
    """Sends in one manner. `may_go_on` is set once `100 Continue`, or the answer, has come."""

    connection: TcpConnection
    manner: Manner
    transcript: Transcript
    may_go_on: asyncio.Event

    async def send(self, head: bytes, body: bytes) -> None:
        """Send the request line with the headers, and the body. Raises OSError where the peer hung up.

        A small body goes out in one write with the head. If the peer stops reading a large one, its answer is still
        read.
        """
        first, *rest = self.manner.written(head, body)
        await self.connection.send(first)
        for packet in rest:
            if not self.manner.holds_back:
                await asyncio.sleep(PACKET_PAUSE)
            elif not await self._is_asked_for_more():
                return
            await self.connection.send(packet)

    async def _is_asked_for_more(self) -> bool:
        """Wait for `100 Continue`, but not for ever: some servers send none. False where the answer came instead."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.may_go_on.wait(), HELD_BACK)
        return self.transcript.status is None
