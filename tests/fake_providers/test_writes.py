"""Which events are one write: seen in the plan, in the journal, and in the turns of the event loop."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from dataclasses import replace

import httpx
import pytest

from chatproof.fake_providers.dialects.base import Reply, TimedFrame
from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.journal.journal import Journal
from chatproof.fake_providers.planning.http_writes import Grouping, plan_writes
from chatproof.fake_providers.server.player import Player
from tests.fake_providers.kit import Served, request_bytes

STREAM = Reply(
    200,
    (("content-type", "text/event-stream"),),
    (
        TimedFrame(b"data: open\n\n", 0.0),
        TimedFrame(b"data: a\n\n", 0.0, 1, "a"),
        TimedFrame(b"data: b\r\n\r\n", 0.5, 1, "b"),
        TimedFrame(b"data: usage\n\ndata: [DONE]\n\n", 0.6),
    ),
    chunked=True,
    end_due=0.6,
)


def shown(grouping: Grouping) -> list[tuple[float, bytes, int]]:
    made = plan_writes(STREAM, True, True, grouping=grouping)
    return [(write.due, write.payload, write.tokens) for write in made.writes]


def test_each_event_is_a_write_also_where_a_frame_has_two() -> None:
    writes = shown(Grouping(each=True))
    assert [(due, said) for due, _, said in writes] == [(0, 0), (0, 0), (0, 1), (0.5, 1), (0.6, 0), (0.6, 0), (0.6, 0)]
    assert [data for _, data, _ in writes[1:]] == [
        b"c\r\ndata: open\n\n\r\n",
        b"9\r\ndata: a\n\n\r\n",
        b"b\r\ndata: b\r\n\r\n\r\n",
        b"d\r\ndata: usage\n\n\r\n",
        b"e\r\ndata: [DONE]\n\n\r\n",
        b"0\r\n\r\n",
    ]


def test_several_events_are_written_when_the_last_of_them_is_due() -> None:
    writes = shown(Grouping(events_per_write=3))
    assert [(due, said) for due, _, said in writes] == [(0, 0), (0.5, 2), (0.6, 0), (0.6, 0)]
    assert writes[1][1] == b"20\r\ndata: open\n\ndata: a\n\ndata: b\r\n\r\n\r\n"


@pytest.mark.parametrize("grouping", [Grouping(), Grouping(True), Grouping(events_per_write=2)])
def test_the_body_is_the_same_however_it_is_written(grouping: Grouping) -> None:
    raw = b"".join(data for _, data, _ in shown(grouping)).partition(b"\r\n\r\n")[2]
    body = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        body, raw = body + raw[: int(size, 16)], raw[int(size, 16) + 2 :]
    assert body == b"".join(frame.payload for frame in STREAM.frames)


SCRIPT = 'about = "x"\n{}\n[[steps]]\ntokens = [" word"]\nrepeat = 100\n'


async def test_the_journal_tells_each_write(fakes: Fakes, http: httpx.AsyncClient) -> None:
    await fakes.register("each", SCRIPT.format('writes = "each"'))
    await fakes.register("tens", SCRIPT.format("events_per_write = 10"))
    for name in ("each", "tens"):
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"scenario {name} case {name}"}]}
        assert (await http.post("/v1/chat/completions", json=body)).text.count(" word") == 100
    (each,), (tens,) = await fakes.entries("each"), await fakes.entries("tens")
    assert [write.tokens for write in each.writes].count(1) == 100
    assert [write.tokens for write in tens.writes] == [0, 9, *[10] * 9, 1, 0]


class Turns(asyncio.Transport):
    """Notes in which turn of the event loop each write is made: all writes of one turn are one send call in uvloop."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.writes: list[int] = []
        self._loop = asyncio.get_running_loop()
        self._count()

    def write(self, data: object) -> None:
        self.writes.append(self.turn)

    def _count(self) -> None:
        self.turn += 1
        self._loop.call_soon(self._count)


@pytest.mark.parametrize(("grouping", "turns"), [(Grouping(each=True), 7), (Grouping(), 1)])
async def test_each_write_has_a_turn_of_the_loop_for_itself(grouping: Grouping, turns: int) -> None:
    at_once = replace(STREAM, frames=tuple(frame._replace(due=0.0) for frame in STREAM.frames), end_due=0.0)
    transport, finished = Turns(), asyncio.Event()
    made = plan_writes(at_once, True, True, grouping=grouping)
    Player(transport, made, Journal(), None, lambda _: finished.set()).start(False)
    await asyncio.wait_for(finished.wait(), 5)
    assert len(set(transport.writes)) == len(transport.writes) == turns


LONG = 'about = "More than the buffers on the way hold."\n{writes}[[steps]]\ntokens = ["{token}"]\nrepeat = 8000\n'


def slow_reply(served: Served, name: str, client: httpx.Client) -> bytes:
    """The body that a client gets which reads only once the server cannot write any more; its ids left out."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", served.server.port))
        sock.sendall(request_bytes(f"scenario {name} case {name}"))
        written, seen = -1, -2
        while written != seen or written <= 0:
            time.sleep(0.1)
            entries = client.get(f"{served.url}/_fake/journal", params={"case": name}).json()["entries"]
            written, seen = (entries[0]["tokens"] if entries else -1), written
        assert written < 8000, "the buffers took it all: the script is too short"
        received = bytearray()
        while not received.endswith(b"\r\n0\r\n\r\n"):
            data = sock.recv(1 << 16)
            assert data
            received += data
    chunks = re.sub(rb"\r\n[0-9a-f]+\r\n", b"\r\n", bytes(received).split(b"\r\n\r\n", 1)[1])
    events = [line for line in chunks.split(b"\n") if line.startswith(b"data: ")]
    return b"\n".join(re.sub(rb'"id":"[^"]*"', b"", event) for event in events)


def test_a_slow_reader_gets_the_same_from_single_sends(served: Served) -> None:
    """Single sends go past the transport until the socket is full; then it takes over, in order."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        for name, writes in (("slow-joined", ""), ("slow-each", 'writes = "each"\n')):
            script = LONG.format(writes=writes, token="word " * 40)
            client.put(f"{served.url}/_fake/scripts/{name}", content=script).raise_for_status()
        joined, each = (slow_reply(served, name, client) for name in ("slow-joined", "slow-each"))
    assert each.count(b"\n") > 8000
    assert each == joined
