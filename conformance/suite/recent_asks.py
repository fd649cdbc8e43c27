"""What was sent to a server lately, so that after a crash it can be asked again, alone."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from chatproof.harness.client.http import Deadlines, HttpExchange, HttpRequest
from chatproof.harness.client.socketio import NotConnected, SocketClient
from chatproof.harness.common.redaction import clipped
from chatproof.harness.protocol.sent import OWN_NAME, Sent
from chatproof.harness.protocol.transcript import End

UNDER_TEST: Final[ContextVar[str]] = ContextVar("UNDER_TEST", default="the first asks")
"""The name of the test whose code runs."""

KEPT: Final = 300  # asks
SMALL: Final = 64 * 1024  # bytes: larger answers are not kept once they are over
LATELY: Final = 3.0  # seconds: an ask that ended longer ago is not why the server ended
AT_ITS_END: Final = 1.0  # seconds between a connection's loss and the process's end
REPEATED_AT_MOST: Final = 4.0  # seconds of an ask that is sent again
AFTERWARDS: Final = 0.5  # seconds in which the server may end after an ask
MOST_TRIES: Final = 20  # asks that are sent again for one crash
PACKETS: Final = 5  # sent again on one socket, at most
SHOWN: Final = 300  # characters of an ask in a message

_DIFFERS = re.compile(rf"{OWN_NAME.pattern}|[\d.]+ s$", re.IGNORECASE)  # also where asks are alike
_LOST = (End.RESET, End.TRUNCATED)
_REFUSED_OR_LOST = (End.REFUSED, *_LOST)

IsOver = Callable[[float], Awaitable[bool]]
"""Waits for the server's end for up to the seconds that it is given, and says whether it came."""


@dataclass(frozen=True, slots=True)
class CrashSearch:
    """Where suspects are asked again. `fresh_source` gives a source address, and `fresh_name` a name, that nobody has
    used. `held`: connections that stay open until the search is over, since hanging up may be what ends the server."""

    fresh_source: Callable[[], str | None]
    fresh_name: Callable[[], str]
    is_over: IsOver
    held: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def renamed(self, request: HttpRequest) -> HttpRequest:
        """The request in a session, and as a case, of its own: so it is asked as if nothing had been asked before."""
        texts = (request.path, request.body.decode("latin-1"))
        path, body = self.renamed_all(texts)
        return replace(request, path=path, body=body.encode("latin-1"))

    def renamed_all(self, texts: Iterable[str]) -> list[str]:
        """Texts with fresh names, the same one for the same name."""
        names: dict[str, str] = {}
        return [OWN_NAME.sub(lambda match: names.setdefault(match[0], self.fresh_name()), text) for text in texts]

    async def find(self, suspects: Sequence[Suspect], give_up: float) -> tuple[Suspect | None, int]:
        """The suspect that ends the server when it is asked again, alone; and how many were tried until `give_up`, a
        moment in seconds."""
        tried, found = 0, None
        for suspect in suspects[:MOST_TRIES]:
            if found or time.monotonic() > give_up:
                break
            tried += 1
            found = suspect if await suspect.kills(self) else None
        await asyncio.gather(*(hang_up() for hang_up in self.held), return_exceptions=True)
        return found, tried


@dataclass(frozen=True, slots=True)
class Suspect:
    """An ask that may have ended the server. `rank`: 0 if it had no answer when the server ended, 1 if its client had
    just left, 2 if its answer had just come. `at`: when it was sent, in seconds. `case`: the id by which the provider
    knows it. `sent`: what was sent, where it is known, as it was before the suite cut it off."""

    test: str
    words: str
    rank: int
    at: float
    case: str
    kills: Callable[[CrashSearch], Awaitable[bool]]
    """Asks again, alone, and says whether that ends the server."""
    sent: Sent | None = None

    @property
    def likeness(self) -> str:
        """The same for asks that differ only in names, and in when their clients left."""
        return f"{self.test} {_DIFFERS.sub('', self.words)}"


@dataclass(slots=True)
class RecentAsks:
    """The exchanges and sockets of a lane that are open, or ended lately, each with the test that opened it."""

    _noted: deque[tuple[str, HttpExchange | SocketClient]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def note(self, ask: HttpExchange | SocketClient) -> None:
        """Remember an exchange or a socket that is about to begin."""
        self._noted.append((UNDER_TEST.get(), ask))

    def clear(self) -> None:
        """Let go of everything: it was sent to a server that is no more."""
        self._noted.clear()

    def forget(self) -> None:
        """Let go of what is over for long, or large."""
        now = time.monotonic()
        if any(not _counts(one, now) for _, one in self._noted):
            self._noted = deque((entry for entry in self._noted if _counts(entry[1], now)), KEPT)

    def lost(self, since: float) -> bool:
        """Whether the server refused or dropped a connection after the moment `since`, in seconds."""
        for _, one in self._noted:
            if isinstance(one, SocketClient):
                if one.lost_at > since:
                    return True
            elif one.transcript.end in _REFUSED_OR_LOST and (one.transcript.ended_at or 0) > since:
                return True
        return False

    def suspects(self, died: float) -> list[Suspect]:
        """What may have ended the server at the moment `died`, the most likely first. Of those alike, one."""
        found = [
            _of_socket(test, one, died) if isinstance(one, SocketClient) else _of_http(test, one, died)
            for test, one in self._noted
        ]
        unlike: dict[str, Suspect] = {}
        for suspect in sorted(filter(None, found), key=lambda one: (one.rank, -one.at)):
            unlike.setdefault(suspect.likeness, suspect)
        return list(unlike.values())


def _counts(one: HttpExchange | SocketClient, now: float) -> bool:
    if isinstance(one, SocketClient):
        over = max(one.lost_at, one.left_at)
        return not over or now - over < LATELY
    ended = one.transcript.ended_at
    return ended is None or (now - ended < LATELY and one.transcript.length < SMALL)


def _of_http(test: str, one: HttpExchange, died: float) -> Suspect | None:
    reply = one.transcript
    ago = died - (reply.ended_at or died)
    if not reply.asked_at or reply.end is End.REFUSED or ago > LATELY:
        return None
    rank = 0 if reply.end is None or (reply.end in _LOST and ago < AT_ITS_END) else 1 if reply.end is End.LEFT else 2
    left = reply.ended_at - reply.asked_at if reply.end is End.LEFT and reply.ended_at else None
    words = reply.request if left is None else f"{reply.request}, whose client hung up after {left:.1f} s"
    again = partial(_ask_again, one, min(died - reply.asked_at, REPEATED_AT_MOST), left)
    return Suspect(test, clipped(words, SHOWN), rank, reply.asked_at, reply.case, again, copy(reply.sent))


async def _ask_again(one: HttpExchange, seconds: float, left: float | None, search: CrashSearch) -> bool:
    for hang_up in (HttpExchange.close,) if left is None else (HttpExchange.close, HttpExchange.reset):
        again = HttpExchange(
            one.target, search.renamed(one.request), search.fresh_source(), Deadlines(), one.receive_buffer
        )
        search.held.append(again.start().close)
        if left is None:
            over = await _until(partial(_has_ended, again), seconds, search.is_over)
        else:
            over = await search.is_over(min(left, REPEATED_AT_MOST))
            await hang_up(again)
        if over or await search.is_over(AFTERWARDS):
            return True
    return False


def _of_socket(test: str, one: SocketClient, died: float) -> Suspect | None:
    at = one.sent[-1].at if one.sent else one.began_at
    is_open = not one.left_at and (not one.lost_at or died - one.lost_at < AT_ITS_END)
    if is_open and one.is_unanswered:
        rank = 0
    elif one.left_at and died - one.left_at < LATELY:
        rank = 1
    elif at and died - at < LATELY:
        rank = 2
    else:
        return None
    name = f"over {one.transport}"
    words = _in_words(one.sent[-1].text) if one.sent else "a Socket.IO connection"
    if rank == 1:
        words += ", whose client then left"
    again = partial(_emit_again, one, min(died - at, REPEATED_AT_MOST), bool(one.left_at))
    return Suspect(test, clipped(f"{words} {name}", SHOWN), rank, at, one.case, again, copy(one.emitted))


async def _emit_again(one: SocketClient, seconds: float, left: bool, search: CrashSearch) -> bool:
    packets = search.renamed_all([packet.text for packet in one.sent])
    for chosen in (packets[-1:], packets[-PACKETS:])[: 1 if len(packets) < 2 else 2]:
        for hang_up in (SocketClient.disconnect, SocketClient.vanish)[: 2 if left else 1]:
            again = SocketClient(one.target, one.transport, search.fresh_source(), one.api)
            search.held.append(again.disconnect)
            over = False
            with suppress(NotConnected):  # the server may be ending
                await again.connect()
                for packet in chosen:
                    await again.send(packet)
                over = await _until(partial(_has_answer, again), seconds, search.is_over)
                if left:
                    await hang_up(again)
            if over or await search.is_over(AFTERWARDS):
                return True
    return False


def _has_ended(one: HttpExchange) -> bool:
    return one.transcript.end is not None


def _has_answer(one: SocketClient) -> bool:
    return not one.is_open or one.strays.terminal is not None


async def _until(is_reached: Callable[[], bool], seconds: float, is_over: IsOver) -> bool:
    give_up = time.monotonic() + seconds + AFTERWARDS
    while not is_reached() and time.monotonic() < give_up:
        if await is_over(0.05):
            return True
    return False


def _in_words(packet: str) -> str:
    """A packet as its sender would write it."""
    with suppress(ValueError, RecursionError, TypeError):
        name, *arguments = json.loads(packet.removeprefix("42"))
        told = ", ".join(json.dumps(one, ensure_ascii=False) for one in arguments)
        return f"emit({json.dumps(name)}{', ' + told if told else ''})" + ("" if told else " without a payload")
    return packet
