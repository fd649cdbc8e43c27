"""The server under test once more, with other settings, for rows that need them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from chatproof.conformance.suite.exceptions import NotApplicable
from chatproof.conformance.suite.lane import Lane
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.started_server import StartedServer, free_port
from chatproof.harness.common.target import Target


def second_server(lane: Lane, variables: Mapping[str, str]) -> AbstractAsyncContextManager[Target]:
    """Run the lane's server a second time, beside the first, on a port of its own.

    Args:
        variables: those of its environment that differ.

    Raises:
        NotApplicable: the suite did not start the first, or the second does not start.
    """
    return lane.scene.again(variables) if lane.scene.again else _started(lane, variables)


@asynccontextmanager
async def _started(lane: Lane, variables: Mapping[str, str]) -> AsyncIterator[Target]:
    first = lane.scene.server
    if first is None or first.environment is None:
        raise NotApplicable("needs a server that the suite starts (--start), since it starts a second one")
    try:
        server = StartedServer.launch(first.command, {**first.environment, **variables}, free_port())
        try:
            await asyncio.to_thread(server.wait, lane.settings.start_timeout)
            yield replace(lane.target, host=server.target.host, port=server.target.port)
        finally:
            await asyncio.to_thread(server.stop)
    except ChatproofError as error:
        raise NotApplicable(f"a second server did not start: {error}") from error
