"""How a WebSocket ends: with a close frame, and with nothing behind it. Behind a proxy, and with short pings."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from chatproof.fake_providers.server.launcher import FakesProcess
from tests.reference_server.kit import running
from tests.reference_server.raw_socket import CLOSE, CLOSED, PATH, PING, TEXT, Socket, ask, frame


@pytest.fixture(scope="module")
def server(fakes: FakesProcess) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environ = {"PING_INTERVAL": "1", "STREAM_LIMIT": "1", "TRUSTED_PROXIES": "1"}
    with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=fakes.openai_base_url, **environ) as started:
        yield started


@pytest.fixture
def url(server: tuple[subprocess.Popen[str], str]) -> str:
    return server[1]


def upgraded(url: str, probe: bytes = b"2probe") -> Socket:
    """A polling socket that moves to a WebSocket, as the official client's does."""
    opened = json.loads(httpx.get(f"{url}{PATH}polling", trust_env=False).text[1:])
    socket = Socket(url, connects=False, query=f"&sid={opened['sid']}")
    socket.raw.sendall(frame(probe))
    if probe == b"2probe":
        socket.read(b"3probe")
        socket.raw.sendall(frame(b"5"))
        socket.raw.sendall(frame(b"40"))
        socket.read(b'40{"sid"')
    return socket


def test_the_interval_of_pings_is_a_setting(url: str) -> None:
    opened = json.loads(httpx.get(f"{url}{PATH}polling", trust_env=False).text[1:])
    assert (opened["pingInterval"], opened["pingTimeout"]) == (1000, 1000)


@pytest.mark.parametrize("how", ["close frame", "Engine.IO's close", "Socket.IO's disconnect and close frame"])
@pytest.mark.parametrize("begins", ["websocket", "polling"])
def test_nothing_comes_behind_the_end(url: str, begins: str, how: str) -> None:
    with Socket(url) if begins == "websocket" else upgraded(url) as one:
        goodbye = frame(struct.pack("!H", 1000), CLOSE)
        if how == "Engine.IO's close":
            goodbye = frame(b"1")
        elif how != "close frame":
            goodbye = frame(b"41") + goodbye
        one.raw.sendall(goodbye)
        rest = one.rest()
    assert b"HTTP/1.1" not in rest
    assert rest.endswith(CLOSED)
    assert rest.count(CLOSED) == 1


def test_an_upgrade_that_fails_ends_with_a_close_frame(url: str) -> None:
    with upgraded(url, probe=b"4nonsense") as one:
        assert one.rest().endswith(CLOSED)


@pytest.mark.parametrize("begins", ["websocket", "polling"])
def test_a_client_that_answers_no_ping_gets_a_close_frame(url: str, begins: str) -> None:
    with Socket(url) if begins == "websocket" else upgraded(url) as one:
        started = time.monotonic()
        rest = one.rest()
        assert 1.0 < time.monotonic() - started < 6.0
    assert PING in rest
    assert rest.endswith(CLOSED)
    assert b"HTTP/1.1" not in rest


def test_each_client_of_a_proxy_has_a_limit_of_its_own(url: str) -> None:
    """STREAM_LIMIT is 1; what a client writes itself stands before what its proxy adds."""
    for client, end in (
        ("198.51.100.1", b"chat_complete"),
        ("198.51.100.2", b"chat_complete"),
        ("198.51.100.1", b"limit"),
    ):
        with Socket(url, headers=f"X-Forwarded-For: 9.9.9.9, {client}\r\n") as one:
            one.raw.sendall(frame(ask("scenario hello"), TEXT))
            one.read(end)


def test_a_server_that_stops_says_goodbye(server: tuple[subprocess.Popen[str], str]) -> None:
    """The last test: it stops the server."""
    process, url = server
    with Socket(url) as one:
        process.send_signal(signal.SIGTERM)
        rest = one.rest()
        assert rest.endswith(CLOSED)
        assert b"HTTP/1.1" not in rest
        assert process.wait(8) == 0
