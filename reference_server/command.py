"""The command line: read the settings, serve until told to stop."""

import argparse
import logging
import os
import signal
import socket
import sys
from contextlib import ExitStack, closing
from dataclasses import replace

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent.event import Event  # type: ignore[import-untyped]

from reference_server.app import create_app
from reference_server.config import Config, ConfigError
from reference_server.provider import OpenAI
from reference_server.server import Server

OFFLINE = """\
Provider: none. OPENAI_API_KEY is not set, so a fake one answers; set it to use a real one.
The words `scenario NAME` in a message choose a script, such as `scenario paced` or `scenario drop-mid`.
What the fake was asked: {journal}"""


def main() -> int:
    """Run the server. Returns the process's exit status: 0 when stopped, 2 when it cannot start."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    options = _read_options()
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    for chatty in ("httpx", "engineio.server", "socketio.server"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    given = {"HOST": options.host, "PORT": options.port}
    try:
        config = Config.from_environment(
            {**os.environ, **{name: value for name, value in given.items() if value is not None}}
        )
        _serve(config, stop, verbose=options.verbose)
    except ConfigError as error:
        sys.stderr.write(f"reference_server: {error}\n")
        return 2
    return 0


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reference_server",
        description="The reference streaming chat server.",
        epilog="Further settings come from the environment: OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_MODEL, "
        "PROVIDER_TIMEOUT (seconds) and ALLOWED_ORIGINS (comma-separated).",
    )
    parser.add_argument("--host", help="address to listen on (default: HOST, or 127.0.0.1)")
    parser.add_argument("--port", help="port to listen on, 0 for a free one (default: PORT, or 5000)")
    parser.add_argument("--verbose", action="store_true", help="log each request and each reply")
    return parser.parse_args()


def _serve(config: Config, stop: Event, *, verbose: bool) -> None:
    with ExitStack() as cleanup:
        if config.openai_api_key:
            about = f"Provider: openai, model {config.openai_model}"
        else:
            # Only here: with a real provider, the server needs nothing of the rest of the project.
            from fake_providers.process import FakesStartError, start_fakes

            try:
                fakes = cleanup.enter_context(start_fakes(port=0))
            except FakesStartError as error:
                raise ConfigError(f"No OPENAI_API_KEY is set, and {error}") from error
            config = replace(config, openai_api_key="offline", openai_base_url=fakes.openai_base_url)
            about = OFFLINE.format(journal=f"{fakes.url}/_fake/journal")
        provider = cleanup.enter_context(closing(OpenAI(config)))
        application = create_app(provider, config.allowed_origins)
        server = Server(config.host, config.port, application, access_log=verbose)
        host = f"[{config.host}]" if ":" in config.host else config.host
        try:
            server.start()
        except OSError as error:
            raise ConfigError(f"Cannot listen on {host}:{config.port}: {_reason(error)}.") from error
        cleanup.callback(server.stop, timeout=0)
        sys.stdout.write(f"Listening on http://{host}:{server.server_port}\n{about}\n")
        sys.stdout.flush()
        stop.wait()


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    return os.strerror(error.errno) if error.errno else "the address is not usable"
