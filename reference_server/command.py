"""The command line: read the settings, serve until told to stop."""

import argparse
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from dotenv import dotenv_values
from gevent.event import Event  # type: ignore[import-untyped]

from reference_server import tokens
from reference_server.app import create_app
from reference_server.balancer import WORKER_FD, WORKER_NUMBER, Balancer
from reference_server.config import Config, ConfigError
from reference_server.providers import make_provider
from reference_server.server import Server

FAREWELL_SECONDS = 3.0  # for running replies to say that they end
FLUSH_SECONDS = 0.2  # for their last words to leave
OFFLINE = """\
Provider: none is configured, so a fake one answers. For a real one set OPENAI_API_KEY, GEMINI_API_KEY
or LOCAL_LLM_URL, in the environment or in a file .env, and start again.
The words `scenario NAME` in a message choose a script, such as `scenario paced` or `scenario drop-mid`.
What the fake was asked: {journal}
"""


def main() -> int:
    """Run the server. Returns the process's exit status: 0 when stopped, 2 when it cannot start."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    options = _read_options()
    _log(options.verbose)
    _allow_many_files()
    given = {"HOST": options.host, "PORT": options.port, "WORKERS": options.workers}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        _serve({**_dotenv(), **os.environ, **given}, stop, options.verbose)
    except ConfigError as error:
        sys.stderr.write(f"reference_server: {error}\n")
        return 2
    return 0


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reference_server",
        description="The reference streaming chat server. With nothing configured it runs offline.",
        epilog="All else comes from the environment or a file .env: see reference_server/README.md.",
    )
    parser.add_argument("--host", help="address to listen on (default: HOST, or 127.0.0.1)")
    parser.add_argument("--port", help="port to listen on, 0 for a free one (default: PORT, or 5000)")
    parser.add_argument("--workers", help="processes; more than one need REDIS_URL (default: WORKERS, or 1)")
    parser.add_argument("--verbose", action="store_true", help="log each request too, not only each reply")
    return parser.parse_args()


def _log(verbose: bool) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("reference_server").setLevel(logging.DEBUG if verbose else logging.INFO)


def _dotenv() -> dict[str, str]:
    return {name: value for name, value in dotenv_values(".env").items() if value is not None}


def _allow_many_files() -> None:
    """Two for each reply: with the usual soft limit of 1,024 five hundred would be the end."""
    with suppress(ImportError, ValueError, OSError):  # ImportError: Windows
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _serve(environ: Mapping[str, str], stop: Event, verbose: bool) -> None:
    with ExitStack() as cleanup:
        config, about = _with_provider(environ, cleanup)
        is_worker = WORKER_FD in environ
        replies = None
        server: Server | Balancer
        if config.workers > 1 and not is_worker:
            server = Balancer(config.host, config.port, config.workers, config.request_timeout)
        else:
            provider = cleanup.enter_context(closing(make_provider(config)))
            tokens.vocabulary(config.openai_model)  # now: reading it takes a while
            app, replies = create_app(config, provider, int(environ.get(WORKER_NUMBER, "0")))
            address = (config.host, config.port)
            listener = gevent.socket.socket(fileno=int(environ[WORKER_FD])) if is_worker else address
            server = Server(listener, app, request_timeout=config.request_timeout, access_log=verbose)
        host = f"[{config.host}]" if ":" in config.host else config.host
        try:
            server.start()
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{config.port}: {_reason(error)}.") from error
        cleanup.callback(server.stop, timeout=0)
        # What is here now stays: the collector need not look at it again, nor look often, with thousands of replies.
        gc.freeze()
        gc.set_threshold(10_000, 20, 50)
        if not is_worker:
            sys.stdout.write(f"Listening on http://{host}:{server.server_port}\n{about}")
            sys.stdout.flush()
        stop.wait()
        server.close()
        if replies:
            replies.close(FAREWELL_SECONDS)
            gevent.sleep(FLUSH_SECONDS)


def _with_provider(environ: Mapping[str, str], cleanup: ExitStack) -> tuple[Config, str]:
    """The settings, with a fake provider where they name none, and what to say of it."""
    config = Config.from_environment(environ)
    if config.llm_provider:
        return config, f"Provider: {config.llm_provider}\n"
    # Only here: with a real provider, the server needs nothing of the rest of the project.
    from fake_providers.process import FakesStartError, start_fakes

    try:
        fakes = cleanup.enter_context(start_fakes(port=0))
    except FakesStartError as error:
        raise ConfigError(f"no provider is configured, and {error}") from error
    offline = {"OPENAI_API_KEY": "offline", "OPENAI_BASE_URL": fakes.openai_base_url, "OFFLINE": "1"}
    os.environ.update(offline)  # for the workers
    return Config.from_environment({**environ, **offline}), OFFLINE.format(journal=f"{fakes.url}/_fake/journal")


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    return os.strerror(error.errno) if error.errno else "the address is not usable"
