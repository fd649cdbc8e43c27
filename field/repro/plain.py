"""Starts the provider and the server of a script, and exits with what the script saw. Standard library only.

A script is run with the command that starts its server, in which `{port}` stands for the port:

    python field/repro/litellm-ERR-03.py litellm --config field/litellm/config.yaml --port {port}

It prints one line, and exits with 1 while the fault stands, with 0 where it is mended, with 2 where it cannot tell.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from plain_provider import Upstream

UP_WITHIN = 90.0  # seconds until the server listens
Look = Callable[[str], tuple[bool, str]]  # gets the server's URL; whether the fault stands, and what was seen


def run(play: Callable[[Upstream], None], look: Look) -> None:
    """Start the provider and the server, let `look` ask it, and exit.

    Args:
        play: how the provider answers.
        look: asks the server.
    """
    try:
        with _provider(play) as provider, _server(sys.argv[1:], provider) as url:
            stands, line = look(url)
    except Exception as problem:  # whatever it is, it is no finding
        sys.exit(_say(f"cannot tell: {problem!r}", 2))
    sys.exit(_say(line, int(stands)))


def _say(line: str, code: int) -> int:
    sys.stdout.write(f"{line}\n")
    return code


@contextmanager
def _provider(play: Callable[[Upstream], None]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    server.play = play  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()


@contextmanager
def _server(command: list[str], provider: str) -> Iterator[str]:
    if not command:
        raise ValueError("name the command that starts the server, with {port} for its port")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"OPENAI_BASE_URL": provider, "OPENAI_API_KEY": "fake-key", "PROVIDER_TIMEOUT": "10"}
    variables = {**os.environ, **settings, "PORT": str(port)}
    words = [word.replace("{port}", str(port)) for word in command]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, env=variables, stdout=output, stderr=output, start_new_session=True)
        try:
            give_up = time.monotonic() + UP_WITHIN
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > give_up:
                    output.seek(0)
                    raise OSError(f"the server does not listen: {output.read().decode(errors='replace')[-300:]!r}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(5)
                except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
                    continue


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
