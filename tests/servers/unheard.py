"""Replies that go on when nobody reads them any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from tests.servers.parts import Event


async def unheard(events: AsyncIterator[Event], background: set[asyncio.Task[Any]]) -> AsyncGenerator[Event, None]:
    """Give the events of a reply that runs to its end in the background, also when its reader leaves."""
    queue: asyncio.Queue[Event | None] = asyncio.Queue()

    async def run() -> None:
        async for event in events:
            queue.put_nowait(event)
        queue.put_nowait(None)

    task = asyncio.create_task(run())
    background.add(task)
    task.add_done_callback(background.discard)
    while (heard := await queue.get()) is not None:
        yield heard
