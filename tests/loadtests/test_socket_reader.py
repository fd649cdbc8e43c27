"""The Socket.IO reader against a server that is scripted frame by frame."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage
from wsproto.events import Pong as WsPong

from chatproof.harness.common.target import Target
from chatproof.harness.protocol.transcript import End
from chatproof.loadtests.readers.http_reader import Limits, StreamRequest
from chatproof.loadtests.readers.reading import StreamOutcome, understand
from chatproof.loadtests.readers.socketio_reader import SocketReader, SocketRefused
from chatproof.loadtests.readers.stamped_connection import ConnectionFailed
from chatproof.loadtests.readers.strict import violations
from tests.loadtests.kit import done, playing, token
from tests.timing import timed

QUICK = Limits(connect=2.0, silence=0.4, whole=1.5, size=100_000, linger=0.3)
OPEN = '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


class Talk:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.ws = WSConnection(ConnectionType.SERVER)
        self.heard: list[str] = []
        self.pongs = 0

    def send(self, *packets: str) -> None:
        """All in one write."""
        self.connection.sendall(b"".join(self.ws.send(TextMessage(data=packet)) for packet in packets))

    def emit(self, name: str, body: object) -> None:
        self.send("42" + json.dumps([name, body], separators=(",", ":")))

    def hear(self, until: Callable[[], bool], seconds: float = 5.0) -> None:
        """Listen until that holds."""
        self.connection.settimeout(seconds)
        while not until():
            data = self.connection.recv(65536)
            self.ws.receive_data(data or None)
            for event in self.ws.events():
                if isinstance(event, Request):
                    self.connection.sendall(self.ws.send(AcceptConnection()))
                elif isinstance(event, TextMessage):
                    self.heard.append(event.data)
                elif isinstance(event, WsPong):
                    self.pongs += 1
            if not data:
                raise ConnectionError

    def join(self) -> None:
        """The handshake, then wait for an ask."""
        self.hear(lambda: self.ws.state.name == "OPEN")
        self.send(OPEN)
        self.hear(lambda: "40" in self.heard)
        self.send('40{"sid":"b"}')
        self.asked(1)

    def asked(self, times: int) -> None:
        self.hear(lambda: sum(one.startswith('42["chat_stream"') for one in self.heard) >= times)


@contextmanager
def talking(script: Callable[[Talk], None]) -> Iterator[tuple[Target, list[Talk]]]:
    """A server that plays the script to one client, and what it heard."""
    talks: list[Talk] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError), listener.accept()[0] as connection:
                talks.append(Talk(connection))
                script(talks[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield Target("http", "127.0.0.1", listener.getsockname()[1]), talks
        finally:
            thread.join(10)


def good(talk: Talk) -> None:
    talk.join()
    for turn in (1, 2):
        talk.asked(turn)
        for count in (1, 2, 3):
            talk.emit("chat_token", token(count))
        talk.emit("chat_complete", done(3))
    talk.hear(lambda: False)


def test_replies_on_one_connection() -> None:
    with talking(good) as (target, _):
        reader = SocketReader(target, limits=QUICK)
        for _ in range(2):
            reading = understand(reader.ask(StreamRequest("hello")))
            assert (reading.outcome, len(reading.token_times)) == (StreamOutcome.COMPLETE, 3)
            assert violations(reading.recording) == []
        reader.close()


@timed
def test_an_empty_token_is_no_first_token() -> None:
    def script(talk: Talk) -> None:
        talk.join()
        talk.emit("chat_token", {"token": "", "count": 0, "partial": ""})
        time.sleep(0.2)
        talk.emit("chat_token", token(1))
        talk.emit("chat_complete", done(1))
        talk.hear(lambda: False)

    with talking(script) as (target, _):
        reader = SocketReader(target, limits=QUICK)
        reading = understand(reader.ask(StreamRequest("hello")))
        reader.close()
    assert reading.first_token is not None
    assert 0.2 <= reading.first_token < 1.0
    assert (reading.outcome, reading.text) == (StreamOutcome.COMPLETE, " t1")


def test_pings_are_answered_in_mid_reply_and_are_no_part_of_it() -> None:
    def script(talk: Talk) -> None:
        talk.join()
        talk.emit("chat_token", token(1))
        talk.send("2")
        talk.connection.sendall(talk.ws.send(Ping(payload=b"x")))
        talk.hear(lambda: "3" in talk.heard and talk.pongs == 1)
        talk.emit("chat_complete", done(1))
        talk.hear(lambda: False)

    with talking(script) as (target, talks):
        reader = SocketReader(target, limits=QUICK)
        assert understand(reader.ask(StreamRequest("hello"))).outcome is StreamOutcome.COMPLETE
        reader.close()
    assert talks[0].heard.count("3") == 1


def test_a_frame_that_began_before_the_ask_is_whole() -> None:
    def script(talk: Talk) -> None:
        talk.hear(lambda: talk.ws.state.name == "OPEN")
        talk.send(OPEN)
        talk.hear(lambda: "40" in talk.heard)
        other = talk.ws.send(TextMessage(data='42["news",{"text":"' + "x" * 50 + '"}]'))
        talk.connection.sendall(talk.ws.send(TextMessage(data='40{"sid":"b"}')) + other[:20])
        talk.asked(1)
        talk.connection.sendall(other[20:])
        talk.emit("chat_token", token(1))
        talk.emit("chat_complete", done(1))
        talk.hear(lambda: False)

    with talking(script) as (target, _):
        reader = SocketReader(target, limits=QUICK)
        reading = understand(reader.ask(StreamRequest("hello")))
        assert (reading.outcome, len(reading.token_times)) == (StreamOutcome.COMPLETE, 1)
        reader.close()


def ends(how: str) -> Callable[[Talk], None]:
    def script(talk: Talk) -> None:
        talk.join()
        talk.emit("chat_token", token(1))
        time.sleep(0.05)
        match how:
            case "error":
                talk.emit("chat_stream_error", {"error": "gone"})
            case "close frame":
                talk.connection.sendall(talk.ws.send(CloseConnection(code=1001)))
            case "disconnect":
                talk.send("41")
            case "cut":
                return
            case "reset":
                talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            case "masked":
                talk.connection.sendall(b"\x81\x85abcdhello")
            case "flood":
                for _ in range(30):
                    talk.send("42" + json.dumps(["news", "x" * 5000]))
        talk.hear(lambda: False)

    return script


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("error", StreamOutcome.ERROR_EVENT),
        ("close frame", StreamOutcome.CUT),
        ("disconnect", StreamOutcome.CUT),
        ("cut", StreamOutcome.CUT),
        ("reset", StreamOutcome.RESET),
        ("silence", StreamOutcome.TIMEOUT),
        ("masked", StreamOutcome.VIOLATION),
        ("flood", StreamOutcome.VIOLATION),
    ],
)
def test_every_end_is_told_apart(how: str, outcome: StreamOutcome) -> None:
    with talking(ends(how)) as (target, _):
        reader = SocketReader(target, limits=QUICK)
        reading = understand(reader.ask(StreamRequest("hello")))
        assert reading.outcome is outcome, reading
        assert reading.detail
        reader.close()


@timed
def test_goodbye_in_mid_reply_and_what_still_comes() -> None:
    def script(talk: Talk) -> None:
        talk.join()
        for count in range(1, 200):
            talk.emit("chat_token", token(count, "x"))
            time.sleep(0.02)
            if count > 5 and "41" not in talk.heard:
                with suppress(TimeoutError):
                    talk.hear(lambda: "41" in talk.heard, 0.01)
            if "41" in talk.heard:
                break
        for count in (500, 501):
            time.sleep(0.05)
            talk.emit("chat_token", token(count, "x"))
        talk.hear(lambda: False)

    with talking(script) as (target, talks):
        reader = SocketReader(target, limits=Limits(linger=0.6))
        recording = reader.ask(StreamRequest("hello", stop_after=0.3))
        reading = understand(recording)
    assert "41" in talks[0].heard
    assert reading.outcome is StreamOutcome.INTERRUPTED
    assert recording.stopped_at is not None
    assert 0.08 < reading.token_times[-1] - recording.stopped_at < 0.6


def test_a_server_without_socketio_is_told() -> None:
    refusal = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n"
    with playing(refusal % 429) as target, pytest.raises(SocketRefused, match="429"):
        SocketReader(target, limits=QUICK)
    with playing(b"hello\r\n\r\n") as target, pytest.raises(ConnectionFailed, match="not HTTP"):
        SocketReader(target, limits=QUICK)
    with playing("hold") as target, pytest.raises(ConnectionFailed) as failure:
        SocketReader(target, limits=QUICK)
    assert failure.value.end is End.TIMEOUT
