"""Faults of servers whose shape nobody else has: what shows that the table of an own api judges them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from tests.servers.apis.made_up import LinesServer, MadeUpServer, NamingServer, WordsServer
from tests.servers.apis.stream_server import Frame, StreamServer
from tests.servers.apis.tables import LINES, MADE_UP, NAMING, WORDS
from tests.servers.broken.fault import fault
from tests.servers.broken.other_apis import (
    FailsSilently,
    GoesOnForNobody,
    HoldsBack,
    LosesAWord,
    SendsTheLastTurnOnly,
    TakesACutForTheEnd,
    ThinksAloud,
)
from tests.servers.parts import Message

MIXINS: tuple[tuple[str, type[StreamServer], type[StreamServer], str, str, str], ...] = (
    ("loses-a-word", LosesAWord, MadeUpServer, "TOK-04 TOK-05", "TOK-04 TOK-05", ""),
    ("holds-back", HoldsBack, MadeUpServer, "SSE-06 SSE-11", "SSE-06 SSE-11", ""),
    ("goes-on-for-nobody", GoesOnForNobody, MadeUpServer, "INT-01 INT-02", "INT-01 INT-02", ""),
    ("fails-silently", FailsSilently, MadeUpServer, "ERR-02 ERR-03", "ERR-02 ERR-03", "a completion"),
    ("sends-the-last-turn-only", SendsTheLastTurnOnly, MadeUpServer, "API-01", "API-01", ""),
    ("thinks-aloud", ThinksAloud, MadeUpServer, "TOK-08", "TOK-08", "the reply shows the model's thoughts"),
    ("loses-a-word", LosesAWord, LinesServer, "TOK-04", "TOK-04", ""),
    ("holds-back", HoldsBack, LinesServer, "SSE-06", "SSE-06", ""),
    ("takes-a-cut-for-the-end", TakesACutForTheEnd, LinesServer, "ERR-03", "ERR-03", "a completion"),
    ("sends-the-last-turn-only", SendsTheLastTurnOnly, LinesServer, "API-01", "API-01", ""),
)
for name, mixin, good, must, only, says in MIXINS:
    api, prefix = (MADE_UP, "made-up") if good is MadeUpServer else (LINES, "lines")
    server = type(f"{mixin.__name__}Of{good.__name__}", (mixin, good), {"__doc__": mixin.__doc__})
    provider = "local" if mixin is ThinksAloud else "openai"
    fault(f"{prefix}-{name}", must, only, says=says, api=api, provider=provider)(server)


@fault("names-its-threads-anew", "API-01", "API-01", api=NAMING)
class NamesItsThreadsAnew(NamingServer):
    """Whatever thread a client names, each question begins one."""

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        body.pop("thread", None)
        return super().messages_of(body)


@fault("words-fail-silently", "ERR-02 ERR-03", "ERR-02 ERR-03", says="a completion", api=WORDS)
class WordsFailSilently(WordsServer):
    """Where the provider fails, the reply ends as if it were whole."""

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return ()


@fault("made-up-python-repr", "API-04", "API-04 TOK-04", says="is not JSON", api=MADE_UP)
class PythonRepr(MadeUpServer):
    """A status event that is printed as Python prints it."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [*super().opening(name, body), b"data: {'op': 'status', 'busy': True}\n\n"]


@fault("made-up-nan", "API-04", "API-04 TOK-04", says="NaN", api=MADE_UP)
class NanAtTheEnd(MadeUpServer):
    """The speed of the reply is not a number."""

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.frame({"op": "speed", "tokens_a_second": float("nan")}), *super().closing(name, body, said)]


@fault("lines-indented", "API-04", "API-04 TOK-04", says="is not JSON", api=LINES)
class Indented(LinesServer):
    """The first line is JSON over several lines."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        self.so_far[name] = ""
        return [json.dumps({"kind": "hello", "id": name}, indent=2).encode() + b"\n"]


@fault("lines-snapshot-starts-anew", "TOK-04", "TOK-04", may="TOK-05", api=LINES)
class StartsAnew(LinesServer):
    """After each tenth token the snapshot begins anew, so that what was shown is gone."""

    count = 0

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        self.count = 0 if is_first else self.count + 1
        if self.count % 10 == 9:
            self.so_far[name] = ""
        return super().text(name, token, is_first)


@fault("made-up-socket-tells-everybody", "SIO-06 SIO-07", "SIO-06 SIO-07", api=MADE_UP)
class TellsEverybody(MadeUpServer):
    """Emits without `to`."""

    async def emit(self, sid: str, name: str, data: Any) -> None:
        await self.sio.emit(name, data)


@fault("made-up-socket-fails-silently", "SIO-08", "SIO-08", says="a completion", api=MADE_UP)
class SocketFailsSilently(MadeUpServer):
    """A provider's failure looks like the reply's good end, over Socket.IO alone."""

    async def on_socket_failure(self, sid: str, text: str) -> None:
        await self.emit(sid, "finished", None)


@fault("made-up-socket-goes-on-for-nobody", "INT-03", "INT-03", api=MADE_UP)
class SocketGoesOnForNobody(MadeUpServer):
    """A socket's reply goes on after the socket has gone."""

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        if task := self.running.pop(sid, None):
            self.background.add(task)


@fault("made-up-socket-holds-back", "SIO-12", "SIO-12", api=MADE_UP)
class SocketHoldsBack(MadeUpServer):
    """All pieces are emitted at the end of the reply."""

    async def answer(self, sid: str, messages: list[Message], body: dict[str, Any]) -> None:
        await super().answer(sid, messages, body)
        for name, data in self.held.pop(sid, []):
            await super().emit(sid, name, data)

    async def emit(self, sid: str, name: str, data: Any) -> None:
        self.held.setdefault(sid, []).append((name, data))
        await asyncio.sleep(0)

    @property
    def held(self) -> dict[str, list[tuple[str, Any]]]:
        return self.__dict__.setdefault("_held", {})  # type: ignore[no-any-return]
