"""The command line and the application: read the settings, build the parts, serve until a signal stops it."""

import argparse
import gc
import logging
import os
import signal
import socket
import sys
from contextlib import ExitStack, closing, suppress

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from flask import Flask
from gevent.event import Event  # type: ignore[import-untyped]
from werkzeug.middleware.proxy_fix import ProxyFix

from chatproof.reference_server.balancer import WORKER_FD, WORKER_NUMBER, Balancer
from chatproof.reference_server.config import OFFLINE, Config, ConfigError, read_env_file, suspicious_names
from chatproof.reference_server.generation import Replies
from chatproof.reference_server.http_api import add_http_api
from chatproof.reference_server.origins import add_origins
from chatproof.reference_server.pages import add_pages
from chatproof.reference_server.providers import PROVIDERS
from chatproof.reference_server.providers.http_provider import ChatProvider
from chatproof.reference_server.rate_limits import RateLimits
from chatproof.reference_server.redis_sessions import RedisSessions, connect
from chatproof.reference_server.sessions import MemorySessions
from chatproof.reference_server.socket_api import add_socket_api
from chatproof.reference_server.wsgi_server import ChatServer

log = logging.getLogger(__name__)

FAKE = """\
Provider: a fake one. For a real one, set OPENAI_API_KEY, GEMINI_API_KEY,
ANTHROPIC_API_KEY or LOCAL_LLM_URL (environment or file .env).
The words `scenario NAME` in a message choose a script, for example `scenario drop-mid`. Its journal: {journal}
"""
ABOUT = "Run the reference server, offline without a provider. Other settings: see reference_server/README.md."


def main() -> int:
    """Run the server. Returns the exit code: 0 after SIGTERM or SIGINT, 2 if it cannot start."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    options = _read_options()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger(__package__).setLevel(logging.DEBUG if options.verbose else logging.INFO)
    os.environ.update({name: value for name, value in vars(options).items() if name.isupper() and value})
    _allow_many_files()
    try:
        _read_env_file()
        with ExitStack() as cleanup:
            _serve(stop, cleanup, options.verbose)
    except ConfigError as error:
        sys.stderr.write(f"reference_server: {error}\n")
        return 2
    return 0


def _read_options() -> argparse.Namespace:
    """Parse the command line. Options whose name is in capitals are settings."""
    parser = argparse.ArgumentParser(prog="chatproof serve", description=ABOUT)
    parser.add_argument("--host", dest="HOST", help="address to listen on (default: HOST, or 127.0.0.1)")
    parser.add_argument("--port", dest="PORT", help="port to listen on, 0 for any free port (default: PORT, or 5000)")
    parser.add_argument("--workers", dest="WORKERS", help="processes; above 1 needs REDIS_URL (default: WORKERS, or 1)")
    parser.add_argument("--verbose", action="store_true", help="log each request, not only each reply (default: off)")
    return parser.parse_args()


def _read_env_file() -> None:
    """Add the variables of `.env` to the environment, which overrides them. Warns of names that look like settings."""
    variables = read_env_file(".env")
    if WORKER_FD not in os.environ:  # once is enough
        for line in suspicious_names(os.environ, variables):
            log.warning(line)
    os.environ.update({name: value for name, value in variables.items() if name not in os.environ})


def _allow_many_files() -> None:
    """Raise the soft limit of open files: a reply needs two, so the usual 1,024 would allow about 500 replies."""
    with suppress(ImportError, ValueError, OSError):  # ImportError: Windows
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)


def _serve(stop: Event, cleanup: ExitStack, verbose: bool) -> None:
    config, about = _with_provider(cleanup)
    server, replies = _make_server(config, cleanup, verbose)
    host = f"[{config.host}]" if ":" in config.host else config.host
    try:
        server.start()
    except OSError as error:
        reason = "no such host" if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise ConfigError(f"cannot listen on {host}:{config.port}: {reason}.") from error
    cleanup.callback(server.stop, timeout=0)
    # What exists now lives until the end: garbage collection skips it, and runs less often under many replies.
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    sys.stdout.write(f"Listening on http://{host}:{server.server_port}\n{about}")  # the balancer reads a worker's line
    sys.stdout.flush()
    stop.wait()
    server.close()
    if replies:
        replies.close(timeout=3.0)
        gevent.sleep(0.2)  # until their last events are sent


def _make_server(config: Config, cleanup: ExitStack, verbose: bool) -> tuple[ChatServer | Balancer, Replies | None]:
    listener: tuple[str, int] | gevent.socket.socket = (config.host, config.port)
    if WORKER_FD in os.environ:
        listener = gevent.socket.socket(fileno=int(os.environ[WORKER_FD]))
    elif config.workers > 1:
        return Balancer(listener, config.workers, config.request_timeout), None
    provider = cleanup.enter_context(closing(PROVIDERS[config.llm_provider](config)))
    app, replies = create_app(config, provider, int(os.environ.get(WORKER_NUMBER, "0")))
    return ChatServer(listener, app, config.request_timeout, "default" if verbose else None), replies


def create_app(config: Config, provider: ChatProvider, worker: int = 0) -> tuple[Flask, Replies]:
    """Build the WSGI application, for worker number `worker`. Close its Replies before the process ends."""
    app = Flask(__name__, static_folder=None)
    redis = connect(config.redis_url) if config.redis_url else None
    sessions = RedisSessions(redis, config.sessions_mb) if redis else MemorySessions(config.sessions_mb)
    replies, limits = Replies(provider, sessions), RateLimits(redis)
    add_http_api(app, config, replies, sessions, limits)
    add_pages(app)
    add_socket_api(app, config, replies, limits, worker)
    add_origins(app, config)
    if config.trusted_proxies:  # without a trusted proxy, clients could forge X-Forwarded-For
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.trusted_proxies)  # type: ignore[method-assign]
    return app, replies


def _with_provider(cleanup: ExitStack) -> tuple[Config, str]:
    """Return the settings and a line about the provider. Starts a fake provider if none is configured."""
    config = Config.from_environment(os.environ)
    if config.llm_provider:
        return config, f"Provider: {config.llm_provider}\n"
    # Imported here: with a real provider, the server needs no other part of the project.
    from chatproof.fake_providers.server.launcher import FakesStartError, start_fakes

    try:
        fakes = cleanup.enter_context(start_fakes(port=0))
    except FakesStartError as error:
        raise ConfigError(f"no provider is configured, and {error}") from error
    # In the environment, so that workers use the same fake provider.
    os.environ.update({"OPENAI_API_KEY": "offline", "OPENAI_BASE_URL": fakes.openai_base_url, OFFLINE: "1"})
    return Config.from_environment(os.environ), FAKE.format(journal=f"{fakes.url}/_fake/journal")
