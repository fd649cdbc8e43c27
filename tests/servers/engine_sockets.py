"""A plain server that sees the Engine.IO socket below each Socket.IO client."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.servers.parts import Config
from tests.servers.plain_server import ChatServer


class EngineSockets(ChatServer):
    """Knows which clients began with polling. `change` may change what their sockets do."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.polled: set[str] = set()
        self.sio.on("connect", self.on_connect)

    async def on_connect(self, sid: str, *_: Any) -> None:
        polls = "transport=polling" in self.sio.get_environ(sid).get("QUERY_STRING", "")
        if polls:
            self.polled.add(sid)
        self.change(self.engine_of(sid), polls)

    def change(self, engine: Any, polls: bool) -> None:
        """Change a socket that has connected; `polls`: over polling."""

    def engine_of(self, sid: str) -> Any:
        """A client's Engine.IO socket, or None."""
        return self.sio.eio.sockets.get(self.sio.manager.eio_sid_from_sid(sid, "/"))

    def has_moved(self, sid: str) -> bool:
        """Whether a client that began with polling has a WebSocket by now."""
        engine = self.engine_of(sid)
        return sid in self.polled and bool(engine and engine.upgraded)

    def asker(self) -> str:
        """The client whose reply the running task writes; empty over HTTP."""
        return next((sid for sid, task in self.running.items() if task is asyncio.current_task()), "")
