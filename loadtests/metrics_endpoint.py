"""Live figures for Prometheus: `/metrics` on 127.0.0.1, from the first second of a command to its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent.pywsgi import WSGIServer  # type: ignore[import-untyped]

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests import prometheus
from chatproof.loadtests.result import Result

_HOST = "127.0.0.1"
_CLOSING_S = 1.0
Figures = tuple[Result, int | None, bool]
"""A run's result so far, its open streams (None: only the workers know), and whether it is over."""


class MetricsEndpoint:
    """What is served. A command may make several runs, one after the other: the newest is shown."""

    def __init__(self) -> None:
        self.url = ""
        self._now: Callable[[], Figures] | None = None

    def show(self, now: Callable[[], Figures]) -> None:
        """Serve the figures of this run from now on."""
        self._now = now

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        if environ["PATH_INFO"] != "/metrics" or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            yield b"chatproof load: the figures are at /metrics\n"
            return
        start_response("200 OK", [("Content-Type", prometheus.CONTENT_TYPE), ("Cache-Control", "no-store")])
        if self._now is None:
            return
        result, under_way, is_over = self._now()
        for family in prometheus.families(result, under_way=under_way, is_over=is_over):
            yield family.encode()
            gevent.sleep(0)  # whoever reads tokens goes first: a scrape must not make the client late


@contextmanager
def serving(port: int) -> Iterator[MetricsEndpoint]:
    """Serve `/metrics` while the block runs. `port` 0: a free one.

    Raises:
        ChatproofError: nothing can listen there; one line.
    """
    endpoint = MetricsEndpoint()
    server = WSGIServer((_HOST, port), endpoint, log=None, error_log=None)
    try:
        server.start()
    except OSError as error:
        reason = os.strerror(error.errno or 0)  # gevent's text ends with the address
        raise ChatproofError(f"--prometheus-port: cannot listen on {_HOST}:{port}: {reason}") from error
    endpoint.url = f"http://{_HOST}:{server.server_port}/metrics"
    try:
        yield endpoint
    finally:
        server.stop(timeout=_CLOSING_S)
