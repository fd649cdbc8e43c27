"""A guard that fails a test whose traffic would leave the machine.

    with OfflineGuard():
        ask_the_model()  # EscapedTraffic: this test tried to reach api.openai.com:443 …

It watches name look-ups and connections of Python's `socket` (threads, asyncio, and gevent if it is patched) and of
uvloop. It does not see other processes, or libraries that open sockets in C (grpc). Loopback addresses and Unix
sockets are allowed.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, Final, Self
from unittest.mock import patch

from chatproof.fake_providers.testing.guard_advice import advice

_LOOKUPS: Final = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")
_CONNECTS: Final = ("connect", "connect_ex", "sendto")


class EscapedTraffic(BaseException):
    """A connection to another machine. One line that names the host.

    Not an Exception: code that answers every Exception with a retry or a 502 would swallow it.
    """


class OfflineGuard:
    """Raises EscapedTraffic when code looks up or connects to another machine, and again at the end of the `with` block
    (or in `check`) in case the code swallowed the first one.

    `attempts`: the "host:port"s that were tried. `fakes`: the fixtures of fakes that the test has, for the advice.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self.attempts: list[str] = []
        self.fakes: set[str] = set()
        self._allowed: set[str] = set()
        self._patches = ExitStack()
        self.allow(*allow)

    def allow(self, *hosts: str) -> None:
        """Let these host names and addresses be reached, and every address that a look-up of such a name gives."""
        self._allowed.update(host.lower().rstrip(".") for host in hosts)

    def __enter__(self) -> Self:
        self._patches.enter_context(self.watching())
        return self

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        self._patches.close()
        if problem is None:
            self.check()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The guard without the check at its end."""
        with ExitStack() as patches:
            for owner, name, guarded in self._guarded():
                patches.enter_context(patch.object(owner, name, guarded(getattr(owner, name))))
            yield

    def _guarded(self) -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
        for name in _LOOKUPS:
            yield socket, name, self._looking_up
        for name in _CONNECTS:
            yield socket.socket, name, self._connecting
        try:
            import uvloop
        except ImportError:
            return
        # libuv looks up and connects in C: the loop's own methods are the last place to see it.
        yield uvloop.Loop, "getaddrinfo", self._resolving
        yield uvloop.Loop, "create_connection", self._resolving
        yield uvloop.Loop, "create_datagram_endpoint", self._sending

    def check(self) -> None:
        """Raise EscapedTraffic if there was an attempt."""
        if self.attempts:
            raise self._escaped(*dict.fromkeys(self.attempts))

    # one for each shape of arguments: (host, port), (self, address), (loop, …)

    def _looking_up(self, original: Any) -> Any:
        @wraps(original)
        def look_up(host: Any, *args: Any, **options: Any) -> Any:
            self._judge(host, args[0] if args else options.get("port"))
            found = original(host, *args, **options)
            if _name(host) in self._allowed:
                self.allow(*_addresses(found))
            return found

        return look_up

    def _connecting(self, original: Any) -> Any:
        @wraps(original)
        def connect(sock: socket.socket, *args: Any) -> Any:
            # sendto's address comes after the data, and perhaps flags.
            address = args[-1] if args else None
            if sock.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple) and address:
                self._judge(*address[:2])
            return original(sock, *args)

        return connect

    def _resolving(self, original: Any) -> Any:
        # Not a coroutine function: it runs when it is called, and returns the original's awaitable.
        @wraps(original)
        def resolve(loop: Any, *args: Any, **options: Any) -> Any:
            # create_connection has its protocol factory first
            given = args[1:] if args and callable(args[0]) else args
            host, port = [*given, None, None][:2]
            self._judge(options.get("host", host), options.get("port", port))
            return original(loop, *args, **options)

        return resolve

    def _sending(self, original: Any) -> Any:
        @wraps(original)
        def send(loop: Any, factory: Any, local: Any = None, remote: Any = None, **options: Any) -> Any:
            remote = options.pop("remote_addr", remote)
            if isinstance(remote, tuple):
                self._judge(*remote[:2])
            return original(loop, factory, options.pop("local_addr", local), remote, **options)

        return send

    def _judge(self, host: Any, port: Any = None) -> None:
        name = _name(host)
        if name is None or self._stays_here(name):
            return
        where = f"[{name}]" if ":" in name else name
        attempt = f"{where}:{port}" if port else where
        self.attempts.append(attempt)
        raise self._escaped(attempt)

    def _escaped(self, *tried: str) -> EscapedTraffic:
        line = f"this test tried to reach {', '.join(tried)}: its traffic must not leave the machine"
        return EscapedTraffic(f"{line} ({advice(tried, self.fakes)})")

    def _stays_here(self, host: str) -> bool:
        if host in self._allowed or host in ("", "localhost", socket.gethostname().lower()):
            return True
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return host.endswith(".localhost")
        mapped = getattr(address, "ipv4_mapped", None)
        return any(one.is_loopback or one.is_unspecified for one in (address, mapped) if one is not None)


def _name(host: Any) -> str | None:
    """A host in lower case; None for what names no host."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else host
    return name.lower().rstrip(".") if isinstance(name, str) else None


def _addresses(found: Any) -> Iterator[str]:
    """The addresses in what a look-up returned: the form depends on which function it was."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, tuple):
        yield from found[2]
    else:
        yield from (str(one[4][0]) for one in found or ())
