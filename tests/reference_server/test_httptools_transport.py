"""The transport below httpx, against bytes as a server may send them, cut anywhere, and its ways to end."""

import socket
import socketserver
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread

import httpx
import pytest

from chatproof.reference_server.providers.httptools_transport import HttptoolsTransport

Play = Callable[[socket.socket], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = HEAD + b"Content-Length: 5\r\n\r\n"
CLOSING = HEAD + b"Connection: close\r\n\r\n"


class Server:
    """Plays one function for each connection, after the request's head has come; the last one again and again."""

    def __init__(self, *plays: Play) -> None:
        self._plays = list(plays)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.requests: list[bytes] = []
        self.connections = 0
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with client:
                if not self._plays:
                    return
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._current = client
                self.connections += 1
                play = self._plays.pop(0) if len(self._plays) > 1 else self._plays[0]
                with suppress(OSError):
                    while request := client.recv(65536):
                        self.requests.append(request)
                        play(client)

    def close(self) -> None:
        self._plays.clear()
        with suppress(OSError):
            self._current.shutdown(socket.SHUT_RDWR)  # one that is kept open
        with socket.create_connection(self._listener.getsockname()):
            self._thread.join()
        self._listener.close()


@contextmanager
def serving(*plays: Play) -> Iterator[Server]:
    server = Server(*plays)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(transport=HttptoolsTransport(), timeout=httpx.Timeout(1.0)) as made:
        yield made


def send(*pieces: bytes, close: bool = False, pause: float = 0.0) -> Play:
    def play(sock: socket.socket) -> None:
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)
        if close:
            sock.shutdown(socket.SHUT_RDWR)

    return play


def in_turn(*plays: Play) -> Play:
    """One for each request on the same connection."""
    rest = iter(plays)

    def play(sock: socket.socket) -> None:
        next(rest)(sock)

    return play


def reset(*pieces: bytes) -> Play:
    def play(sock: socket.socket) -> None:
        send(*pieces)(sock)
        time.sleep(0.05)  # bytes just before a reset may be lost
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    return play


def read(client: httpx.Client, url: str) -> list[bytes]:
    with client.stream("POST", url, json={"a": 1}) as response:
        assert response.status_code == 200
        return list(response.iter_raw())


@pytest.mark.parametrize(
    ("answer", "close"),
    [
        (CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", False),
        (CHUNKED + b"5\r\nabcde\r\n0\r\nTrailer: x\r\n\r\n", False),
        (LENGTH + b"abcde", False),
        (CLOSING + b"abcde", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH + b"abcde", False),
    ],
)
def test_a_body_is_whole_however_it_is_framed_and_cut(client: httpx.Client, answer: bytes, close: bool) -> None:
    cuts = [send(answer[:at], answer[at:], close=close, pause=0.002) for at in range(1, len(answer), 3)]
    with serving(*cuts, send(answer, close=close)) as server:
        for _ in range(len(cuts) + 1):
            assert b"".join(read(client, server.url)) == b"abcde"


def test_what_arrives_together_comes_together(client: httpx.Client) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % letter for letter in b"abc")
    with serving(send(CHUNKED + chunks, b"1\r\nd\r\n", b"0\r\n\r\n", pause=0.1)) as server:
        assert read(client, server.url) == [b"abc", b"d"]


def test_a_connection_is_used_again_after_a_whole_answer_alone(client: httpx.Client) -> None:
    with serving(send(LENGTH + b"abcde")) as server:
        for _ in range(3):
            read(client, server.url)
        assert server.connections == 1
    with serving(send(LENGTH + b"ab"), send(LENGTH + b"abcde")) as server:
        with client.stream("POST", server.url) as response:
            assert response.status_code == 200
        read(client, server.url)
        assert server.connections == 2


def test_an_idle_connection_that_the_server_closed_is_not_used(client: httpx.Client) -> None:
    with serving(send(LENGTH + b"abcde", close=True), send(LENGTH + b"abcde")) as server:
        read(client, server.url)
        time.sleep(0.05)
        read(client, server.url)
        assert server.connections == 2


def test_a_connection_that_ends_just_when_it_is_used_again_costs_no_reply(client: httpx.Client) -> None:
    """Only where nothing of an answer has come: else it would be asked and paid for twice."""
    answer = send(LENGTH + b"abcde")
    with serving(in_turn(answer, send(close=True)), answer) as server:
        assert [read(client, server.url) for _ in range(2)] == [[b"abcde"]] * 2
        assert (server.connections, len(server.requests)) == (2, 3)
    with serving(in_turn(answer, send(LENGTH + b"ab", close=True)), answer) as server:
        read(client, server.url)
        with pytest.raises(httpx.RemoteProtocolError):
            read(client, server.url)
        assert len(server.requests) == 2
    with serving(send(close=True)) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            read(client, server.url)
        assert len(server.requests) == 1


def test_a_request_that_the_provider_dies_of_is_sent_twice_at_most(client: httpx.Client) -> None:
    """However many connections are idle: each time may have to be paid for."""
    asked: list[bytes] = []
    dying = Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while request := self.request.recv(65536):
                asked.append(request)
                if dying.is_set():
                    return
                self.request.sendall(LENGTH + b"abcde")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, ExitStack() as together:
        server.daemon_threads = True
        Thread(target=server.serve_forever).start()
        together.callback(server.shutdown)
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        for response in [together.enter_context(client.stream("POST", url)) for _ in range(5)]:
            assert b"".join(response.iter_raw()) == b"abcde"
        assert len(asked) == 5
        dying.set()
        with pytest.raises(httpx.RemoteProtocolError):
            read(client, url)
        assert len(asked) == 7


def test_a_new_connection_may_have_something_to_read(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with TLS 1.3, whose tickets come behind the handshake."""
    monkeypatch.setattr("chatproof.reference_server.providers.httptools_transport.has_event", lambda *_: True)
    with serving(send(LENGTH + b"first")) as server:
        assert [read(client, server.url) for _ in range(2)] == [[b"first"]] * 2
        assert server.connections == 2, "an idle one that has something to read is out of step"


def test_the_request_is_http(client: httpx.Client) -> None:
    with serving(send(LENGTH + b"abcde")) as server:
        with client.stream("POST", f"{server.url}a/b?c=é", json={"ü": 1}, headers={"X-Key": "k"}) as response:
            response.read()
        (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a/b?c=%C3%A9 HTTP/1.1"
    assert {line.partition(b":")[0].lower() for line in lines[1:]} >= {b"host", b"content-length", b"x-key"}
    assert body == '{"ü":1}'.encode()


@pytest.mark.parametrize(
    ("play", "error"),
    [
        (send(CHUNKED + b"3\r\nabc\r\n", close=True), httpx.RemoteProtocolError),
        (send(LENGTH + b"abc", close=True), httpx.RemoteProtocolError),
        (send(b"HTTP/1.1 200 OK\r\nX: ", close=True), httpx.RemoteProtocolError),
        (send(close=True), httpx.RemoteProtocolError),
        (send(b"not http at all\r\n\r\n"), httpx.RemoteProtocolError),
        (send(CHUNKED + b"xyz\r\n"), httpx.RemoteProtocolError),
        (send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), httpx.HTTPError),
        (send(HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(200))), httpx.RemoteProtocolError),
        (reset(CHUNKED + b"3\r\nabc\r\n"), httpx.ReadError),
        (send(CHUNKED + b"3\r\nabc\r\n"), httpx.ReadTimeout),
        (send(b""), httpx.ReadTimeout),
    ],
)
def test_each_way_to_fail_is_httpxs_error(client: httpx.Client, play: Play, error: type[Exception]) -> None:
    with serving(play) as server, pytest.raises(error) as caught:
        read(client, server.url)
    assert "127.0.0.1" not in str(caught.value)


def test_nobody_there_is_httpxs_error(client: httpx.Client) -> None:
    with pytest.raises(httpx.ConnectError):
        read(client, "http://127.0.0.1:1/")
    with serving(send(b"HTTP/1.1 400 Bad Request\r\n\r\n", close=True)) as server, pytest.raises(httpx.ConnectError):
        read(client, server.url.replace("http:", "https:"))


def test_certificates_are_checked() -> None:
    assert HttptoolsTransport()._tls.verify_mode is ssl.CERT_REQUIRED
    assert HttptoolsTransport()._tls.check_hostname
