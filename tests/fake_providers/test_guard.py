"""The guard: what would leave the machine is stopped and named, what stays is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from chatproof.fake_providers.testing.guard_advice import advice
from chatproof.fake_providers.testing.offline_guard import EscapedTraffic, OfflineGuard

FAR = "api.openai.com"
FAR_IP = "192.0.2.7"  # reserved for documentation: nobody has it


@pytest.fixture
def guard() -> Iterator[OfflineGuard]:
    """A guard whose attempts are judged by the test itself."""
    guard = OfflineGuard()
    with guard:
        yield guard
        guard.attempts.clear()


def socket_of(family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> contextlib.closing[socket.socket]:
    return contextlib.closing(socket.socket(family, kind))


def connect(address: Any, family: int = socket.AF_INET) -> None:
    with socket_of(family) as sock:
        sock.connect(address)


def send(address: Any) -> None:
    with socket_of(kind=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", address)


ESCAPES: dict[str, tuple[Callable[[], object], str]] = {
    "getaddrinfo": (lambda: socket.getaddrinfo(FAR, 443), f"{FAR}:443"),
    "getaddrinfo by keywords": (lambda: socket.getaddrinfo(host=FAR, port=80), f"{FAR}:80"),
    "gethostbyname": (lambda: socket.gethostbyname(FAR), FAR),
    "create_connection": (lambda: socket.create_connection((FAR, 443)), f"{FAR}:443"),
    "connect": (lambda: connect((FAR_IP, 443)), f"{FAR_IP}:443"),
    "connect by name": (lambda: connect((FAR, 443)), f"{FAR}:443"),
    "connect by IPv6": (lambda: connect(("2001:db8::7", 443), socket.AF_INET6), r"\[2001:db8::7\]:443"),
    "IPv4 in IPv6": (lambda: connect((f"::ffff:{FAR_IP}", 1), socket.AF_INET6), f"{FAR_IP}|c000:207"),
    "UDP": (lambda: send((FAR_IP, 53)), f"{FAR_IP}:53"),
    "httpx": (lambda: httpx.get(f"https://{FAR}/v1/models", trust_env=False), f"{FAR}:443"),
}


@pytest.mark.parametrize("how", ESCAPES)
def test_another_machine_is_named(guard: OfflineGuard, how: str) -> None:
    escape, expected = ESCAPES[how]
    with pytest.raises(EscapedTraffic, match=f"this test tried to reach .*({expected}).*must not leave the machine"):
        escape()
    assert len(guard.attempts) == 1


async def open_connection() -> None:
    await asyncio.open_connection(FAR, 443)


async def open_by_address() -> None:
    await asyncio.open_connection(FAR_IP, 443)


async def look_up() -> None:
    await asyncio.get_running_loop().getaddrinfo(FAR, 443)


async def ask_by_httpx() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"https://{FAR}/v1/models")


async def ask_by_aiohttp() -> None:
    aiohttp = pytest.importorskip("aiohttp")
    async with aiohttp.ClientSession() as session:
        await session.get(f"https://{FAR}/v1/models")


async def send_datagram() -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(FAR_IP, 53))


async def connect_socket() -> None:
    with socket_of() as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (FAR_IP, 443))


ASYNC = [open_connection, open_by_address, look_up, ask_by_httpx, ask_by_aiohttp, send_datagram, connect_socket]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("escape", ASYNC)
def test_event_loops_are_guarded(
    guard: OfflineGuard,
    escape: Callable[[], Coroutine[Any, Any, None]],
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(EscapedTraffic, match=f"{FAR}|{FAR_IP}"):
        runner.run(escape())
    assert guard.attempts


def test_threads_are_guarded(guard: OfflineGuard) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(EscapedTraffic, match=FAR):
        pool.submit(socket.create_connection, (FAR, 443)).result()


def test_what_code_swallows_fails_at_the_end() -> None:
    def careless() -> None:
        with contextlib.suppress(BaseException):
            socket.create_connection((FAR, 443))

    def run() -> None:
        with OfflineGuard():
            for _ in range(3):
                thread = threading.Thread(target=careless)
                thread.start()
                thread.join()
            with contextlib.suppress(EscapedTraffic):
                connect((FAR_IP, 80))

    with pytest.raises(EscapedTraffic, match=f"tried to reach {FAR}:443, {FAR_IP}:80: its"):
        run()


def test_no_retry_swallows_it() -> None:
    """The official client asks again upon every Exception, and then says no more than "Connection error."."""
    openai = pytest.importorskip("openai")
    guard = OfflineGuard()
    with (
        openai.OpenAI(api_key="k", base_url="http://nowhere.test/v1") as client,
        pytest.raises(EscapedTraffic, match=r"nowhere\.test") as seen,
        guard,
    ):
        client.models.list()
    assert guard.attempts == ["nowhere.test:80"]
    assert "no fake answers for nowhere.test: mock the call" in str(seen.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "::1", "0.0.0.0", socket.gethostname(), None])
def test_the_machine_itself_is_reached(guard: OfflineGuard, host: str | None) -> None:
    with contextlib.suppress(OSError):  # a machine without IPv6, or without its own name
        socket.getaddrinfo(host, 80)
    assert guard.attempts == []


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_loopback_and_unix_sockets_work(
    guard: OfflineGuard, tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(5))
        writer.close()

    async def talk() -> list[bytes]:
        heard = []
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as tcp:
            port = tcp.sockets[0].getsockname()[1]
            async with await asyncio.start_unix_server(echo, tmp_path / "s") as unix:
                for host in ("127.0.0.1", "localhost", ""):
                    if host:
                        reader, writer = await asyncio.open_connection(host, port, family=socket.AF_INET)
                    else:
                        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
                    writer.write(b"hello")
                    heard.append(await reader.read())
                    writer.close()
                    await writer.wait_closed()
                await asyncio.sleep(0)
            assert unix is not None
        return heard

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(talk()) == [b"hello"] * 3
    assert guard.attempts == []


def test_allowed_hosts_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: looked_up.append(args))
    with OfflineGuard(allow=["Database.test"]) as guard:
        socket.getaddrinfo("database.test", 5432)
        with pytest.raises(EscapedTraffic):
            socket.getaddrinfo("other.test", 5432)
        assert guard.attempts == ["other.test:5432"]
        guard.attempts.clear()
    assert looked_up == [("database.test", 5432)]


def test_the_addresses_of_an_allowed_host_are_reached_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects looks the name up first, and then connects to an address."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (FAR_IP, 5432))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    monkeypatch.setattr(socket, "gethostbyname_ex", lambda host: (host, [], ["192.0.2.8"]))
    tried: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: tried.append(address))
    with OfflineGuard(allow=["database.test"]) as guard:
        with pytest.raises(EscapedTraffic):
            connect((FAR_IP, 5432))
        guard.attempts.clear()
        socket.create_connection(("database.test", 5432)).close()
        socket.gethostbyname_ex("database.test")
        connect(("192.0.2.8", 5432))
        guard.allow("Cache.test")
        socket.getaddrinfo("cache.test", 1)
    assert tried == [(FAR_IP, 5432), ("192.0.2.8", 5432)]


FAKE_SERVER_TEXT = "fake_server is there, but this client does not ask it: it was made before the test began"


@pytest.mark.parametrize(
    ("tried", "fakes", "advised"),
    [
        ("api.openai.com:443", [], "take the fixture fake_openai for httpx and httpx2, or fake_server"),
        ("api.openai.com:443", ["fake_server"], FAKE_SERVER_TEXT),
        ("generativelanguage.googleapis.com:443", ["fake_server"], 'fake_server.base_url_of("gemini")'),
        ("generativelanguage.googleapis.com:443", ["fake_server"], "does not read GOOGLE_GEMINI_BASE_URL"),
        ("generativelanguage.googleapis.com:443", ["fake_openai"], "fake_openai does not answer for it: take"),
        ("fake-openai.test:80", ["fake_openai"], "this client is another one (aiohttp, requests): take the fixture"),
        ("fake-openai.test:80", ["fake_openai", "fake_server"], FAKE_SERVER_TEXT),
        ("raw.githubusercontent.com:443", ["fake_server"], "set LITELLM_LOCAL_MODEL_COST_MAP=True before"),
        ("openaipublic.blob.core.windows.net:443", [], "TIKTOKEN_CACHE_DIR"),
        ("billing.test", ["fake_server"], 'set offline_allow = ["billing.test"]'),
        ("[2001:db8::7]:443", [], 'offline_allow = ["2001:db8::7"]'),
    ],
)
def test_the_advice_leads_on_from_what_the_test_has(tried: str, fakes: list[str], advised: str) -> None:
    line = advice([tried], fakes)
    assert advised in line
    assert "\n" not in line
    if fakes == ["fake_server"]:
        assert "take the fixture fake_server" not in line


def test_it_leaves_nothing_behind() -> None:
    before = (socket.getaddrinfo, socket.socket.connect, uvloop.Loop.create_connection)
    with OfflineGuard(), OfflineGuard():
        assert socket.socket.connect is not before[1]
    assert (socket.getaddrinfo, socket.socket.connect, uvloop.Loop.create_connection) == before
    assert "connect" not in vars(socket.socket)
