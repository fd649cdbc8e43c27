"""Connections to the server, and the source addresses that they come from.

A connection is a raw non-blocking socket: the suite must stamp each read, choose the source address, end by FIN or by
RST, and stop reading.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import psutil

from chatproof.harness.common.target import Target, is_loopback, loopback_address

READ_SIZE = 256 * 1024
ADDRESSES = 63 * 256 * 254  # addresses that `fresh` gives, from 127.64.0.0 to 127.126.255.255
MOST_ADDRESSES = 100_000  # addresses that one run may use


@dataclass(slots=True)
class SourceAddresses:
    """Fresh client addresses from 127.0.0.0/8, so that limits of one IP do not leak from test to test.

    They start at a random place, since a server may still count what an earlier run sent.
    """

    available: bool
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(random.randrange(ADDRESSES)))

    @classmethod
    def towards(cls, target: Target, share: tuple[int, int] = (0, 1)) -> SourceAddresses:
        """Find out whether this machine can ask `target` from any loopback address.

        Args:
            share: which part of the addresses to take, of how many: for processes that ask the same server.
        """
        if not is_loopback(target.host):
            return cls(available=False)
        with socket.socket() as probe:
            probe.settimeout(2)
            try:
                probe.bind(("127.83.1.9", 0))
                probe.connect(("127.0.0.1" if target.host == "localhost" else target.host, target.port))
            except OSError:
                return cls(available=False)
        part, parts = share
        size = ADDRESSES // parts
        return cls(True, itertools.count(part * size + random.randrange(size - min(size // 2, MOST_ADDRESSES))))

    def fresh(self) -> str | None:
        """An address not used in this run, or None where there is only one."""
        if not self.available:
            return None
        return loopback_address(next(self._numbers))


def addresses_beside_loopback(target: Target) -> Iterator[str]:
    """The addresses of this machine that are not loopback and from which it can ask a server that listens on loopback
    alone: other clients in the eyes of that server. None where the server is on another machine."""
    if not (is_loopback(target.host) or target.host == "::1"):
        return
    for address in [one.address for many in psutil.net_if_addrs().values() for one in many]:
        with suppress(ValueError):  # the address of a network card
            ip = ip_address(address)
            if not (ip.is_loopback or ip.is_link_local) and _can_ask(target, address):
                yield address


def _can_ask(target: Target, source: str) -> bool:
    family = family_of(source)
    with socket.socket(family) as probe:
        probe.settimeout(1)
        try:
            probe.bind((source, 0))
            infos = socket.getaddrinfo(target.host, target.port, family, socket.SOCK_STREAM)
            probe.connect(infos[0][4])
        except OSError:
            return False
    return True


def family_of(address: str) -> socket.AddressFamily:
    """IPv4 or IPv6."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _numeric(target: Target) -> list[tuple[Any, ...]]:
    """Where an address in numbers leads, or nothing for a name: only that needs asyncio's threads, which cost more
    than the connection."""
    with suppress(socket.gaierror):
        return socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return []


class TcpConnection:
    """One TCP connection, with TLS where the target wants it."""

    def __init__(self, sock: socket.socket, tls: _Tls | None) -> None:
        self._sock = sock
        self._tls = tls
        self._may_read = asyncio.Event()
        self._may_read.set()

    @classmethod
    async def open(cls, target: Target, source: str | None = None, receive_buffer: int | None = None) -> TcpConnection:
        """Connect.

        Args:
            source: the address to ask from.
            receive_buffer: SO_RCVBUF in bytes, for a client that shall stop reading.

        Raises:
            OSError: no connection, or no TLS.
        """
        loop = asyncio.get_running_loop()
        infos = _numeric(target) or await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        if source:
            infos = [info for info in infos if info[0] == family_of(source)]
        failure: OSError = OSError(f"no address for {target.host}")
        for family, kind, protocol, _, address in infos:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if receive_buffer:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
                if source:
                    sock.bind((source, 0))
                await loop.sock_connect(sock, address)
                connection = cls(sock, _Tls(target.host) if target.scheme == "https" else None)
                if connection._tls:
                    await connection._tls.handshake(sock)
            except OSError as error:
                failure = error
                sock.close()
            except BaseException:
                sock.close()
                raise
            else:
                return connection
        raise failure

    async def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            OSError: the peer hung up.
        """
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._sock, self._tls.wrap(data) if self._tls else data)

    async def receive(self) -> bytes:
        """The next bytes, or nothing at the peer's FIN.

        Raises:
            OSError: the peer reset the connection.
        """
        await asyncio.sleep(0)  # bytes that are there already come without waiting: let other tasks run
        await self._may_read.wait()
        if self._tls:
            return await self._tls.receive(self._sock)
        return await asyncio.get_running_loop().sock_recv(self._sock, READ_SIZE)

    def pause(self) -> None:
        """Take no more bytes, once a read that is under way has ended."""
        self._may_read.clear()

    def go_on(self) -> None:
        """Read again after a pause."""
        self._may_read.set()

    def close(self) -> None:
        """Hang up in order, by FIN. Call it when no read or write is under way."""
        self._sock.close()

    def reset(self) -> None:
        """Hang up by RST, as a client does whose process or machine died."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


class _Tls:
    """TLS over two memory buffers, without a transport of asyncio's."""

    def __init__(self, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def handshake(self, sock: socket.socket) -> None:
        while True:
            try:
                self._session.do_handshake()
            except ssl.SSLWantReadError:
                await self._exchange(sock)
            else:
                await self._flush(sock)
                return

    def wrap(self, data: bytes) -> bytes:
        self._session.write(data)
        return self._outgoing.read()

    async def receive(self, sock: socket.socket) -> bytes:
        while True:
            try:
                return self._session.read(READ_SIZE)
            except ssl.SSLWantReadError:
                await self._exchange(sock)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLEOFError as error:
                raise ConnectionResetError("the TLS connection ended without a close_notify") from error

    async def _exchange(self, sock: socket.socket) -> None:
        await self._flush(sock)
        await asyncio.sleep(0)  # data that decodes to nothing must not keep others from running
        if data := await asyncio.get_running_loop().sock_recv(sock, READ_SIZE):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self, sock: socket.socket) -> None:
        if data := self._outgoing.read():
            await asyncio.get_running_loop().sock_sendall(sock, data)
