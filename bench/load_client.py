"""Measure one load-test client in its own process: `python -m bench.load_client CLIENT PORT STREAMS ROUNDS`.

The server is the load tests' calibration server, which writes its own timestamps into each event: received, due, sent.
Prints one JSON object with the errors of the client's times.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

STAMPS: Final = re.compile(r'"received": "(\d{19})", "due": "(\d{19})", "sent": "(\d{19})"')
ASK: Final = {"message": "bench"}
PATH: Final = "/api/chat/stream"
Seen = tuple[float, list[tuple[float, str]]]
"""The time of the request, and each line with its time, both by the client's clock."""


def main() -> int:
    """Measure the client that the command line names, and print the result."""
    name, port, streams, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    import locust  # noqa: F401  # its monkey patches are part of all these clients

    answer = _ours(name, port, streams, rounds) if name.startswith("ours") else _theirs(name, port, streams, rounds)
    sys.stdout.write(json.dumps(answer))
    return 0


def _ours(name: str, port: int, streams: int, rounds: int) -> dict[str, Any]:
    from chatproof.loadtests.calibration.calibrate import calibrate

    one = calibrate("socketio" if name == "ours-socketio" else "sse", streams, rounds=rounds, port=port)
    first, between = (one.first_token_p50, one.first_token_p99), (one.inter_token_p50, one.inter_token_p99)
    return {
        "replies": one.replies,
        "failed": one.failed,
        "first": first,
        "between": between,
        "cpu": one.client_cpu,
        "server_late": one.server_late_p99,
    }


def _theirs(name: str, port: int, streams: int, rounds: int) -> dict[str, Any]:
    import gevent  # type: ignore[import-untyped]  # gevent ships no types

    from chatproof.loadtests.calibration.known_script import KnownScript

    script, url = KnownScript(), f"http://127.0.0.1:{port}"
    seen: list[Seen] = []
    failures: list[str] = []

    def user(wait: float) -> None:
        gevent.sleep(wait)
        try:
            ask = CLIENTS[name](url)
            for _ in range(rounds):
                asked = time.monotonic()
                seen.append((asked, list(ask())))
        except Exception as error:  # any exception means that the stream failed
            failures.append(f"{type(error).__name__}: {error}")

    began, cpu = time.monotonic(), time.process_time()
    users = [gevent.spawn(user, index / streams * script.seconds) for index in range(streams)]
    gevent.joinall(users, timeout=script.seconds * (rounds + 1) * 5 + 10)
    used = (time.process_time() - cpu) / (time.monotonic() - began)
    return {**_errors(seen, script.tokens, streams * rounds), "cpu": used, "why": failures[:1]}


def _errors(seen: list[Seen], tokens: int, wanted: int) -> dict[str, Any]:
    first: list[float] = []
    between: list[float] = []
    late: list[float] = []
    for asked, lines in seen:
        stamped = [(at, found.groups()) for at, text in lines if (found := STAMPS.search(text)) is not None]
        if len(stamped) != tokens:
            continue
        times = [at for at, _ in stamped]
        received, due, sent = zip(*[[int(part) / 1e9 for part in stamps] for _, stamps in stamped], strict=True)
        first.append(abs((times[0] - asked) - (sent[0] - received[0])))
        between += [abs((b - a) - (d - c)) for (a, b), (c, d) in zip(pairwise(times), pairwise(sent), strict=True)]
        late += [written - planned for written, planned in zip(sent, due, strict=True)]
    return {
        "replies": len(first),
        "failed": wanted - len(first),
        "first": (rank(first, 50), rank(first, 99)),
        "between": (rank(between, 50), rank(between, 99)),
        "server_late": rank(late, 99),
    }


def rank(values: list[float], percent: float) -> float | None:
    """Return the percentile by nearest rank, or None for no values."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(percent) // 100) - 1)] if ordered else None


Ask = Callable[[], Iterator[tuple[float, str]]]


def _fast(url: str, lines: Callable[[Any], Iterator[str]]) -> Ask:
    """Use the client of Locust's FastHttpUser."""
    from locust.contrib.fasthttp import FastHttpUser
    from locust.env import Environment

    class One(FastHttpUser):
        host = url

    made: Any = One
    client = made(Environment(host=url)).client
    return lambda: ((time.monotonic(), line) for line in lines(client))


def _iter_lines(url: str) -> Ask:
    return _fast(url, lambda client: client.iter_lines(PATH, method="POST", json=ASK))


def _readline(url: str) -> Ask:
    def lines(client: Any) -> Iterator[str]:
        with client.post(PATH, json=ASK, stream=True, catch_response=True) as response:
            while line := response.stream.readline(b"\n"):
                yield line.decode()

    return _fast(url, lines)


def _requests(url: str) -> Ask:
    """Use the client of Locust's HttpUser."""
    from locust import HttpUser
    from locust.env import Environment

    class One(HttpUser):
        host = url

    made: Any = One
    client = made(Environment(host=url)).client

    def lines() -> Iterator[tuple[float, str]]:
        with client.post(PATH, json=ASK, stream=True, catch_response=True) as response:
            for line in response.iter_lines():
                yield time.monotonic(), line.decode()

    return lines


def _socketio(url: str) -> Ask:
    """Use Locust's SocketIOUser, with a handler that stores each event with its time."""
    import gevent
    from gevent.event import Event  # type: ignore[import-untyped]
    from locust.contrib.socketio import SocketIOUser
    from locust.env import Environment

    class One(SocketIOUser):
        host = url

    made: Any = One
    client: Any = made(Environment(host=url)).sio
    lines: list[tuple[float, str]] = []
    over = Event()

    def token(body: Any) -> None:
        at = time.monotonic()
        lines.append((at, json.dumps(body)))

    client.on("chat_token", token)
    client.on("chat_complete", lambda body: over.set())
    client.connect(url, transports=["websocket"])

    def ask() -> Iterator[tuple[float, str]]:
        lines.clear()
        over.clear()
        client.emit("chat_stream", ASK)
        if not over.wait(60):
            raise gevent.Timeout(60)
        gevent.sleep(0)
        yield from list(lines)

    return ask


CLIENTS: Final[dict[str, Callable[[str], Ask]]] = {
    "fast-iter-lines": _iter_lines,
    "fast-readline": _readline,
    "requests": _requests,
    "socketio": _socketio,
}


if __name__ == "__main__":
    sys.exit(main())
