"""`python -m fake_providers`: the fake providers as a process of their own."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from fake_providers.script import BUILT_IN, ScriptError, load_scripts
from fake_providers.server import FakeServer

_EPILOG = """Point a server at them with OPENAI_BASE_URL=http://127.0.0.1:8089/v1 and any OPENAI_API_KEY.
A user message with the words "scenario NAME" picks the script NAME; GET /_fake/scripts lists them.
What was asked for stands in GET /_fake/journal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM. Exit code 0, or 2 with one line on stderr."""
    options = _parser().parse_args(arguments)
    _fill_standard_files()
    try:
        server = FakeServer(load_scripts(BUILT_IN, *options.scripts), options.host, options.port)
        _run(_serve(server, options.until_stdin_closes))
    except ScriptError as problem:
        return _fail(str(problem))
    except KeyboardInterrupt:
        return 0
    except (OSError, OverflowError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        advice = "choose another --port (0: a free one) or --host"
        return _fail(f"cannot listen on {options.host}:{options.port}: {reason}; {advice}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fake_providers",
        description="Deterministic fake model providers (OpenAI's API) for tests.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8089, help="port; 0: one that the system picks (default: %(default)s)"
    )
    parser.add_argument(
        "--scripts",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder of further *.toml scripts, which win over built-in ones of the same name; may be repeated",
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end when standard input does: how a parent process makes sure that nothing outlives it",
    )
    return parser


async def _serve(server: FakeServer, until_stdin_closes: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    if sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    await server.start()
    if until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(loop, stop.set), daemon=True).start()
    line = f"chatproof fake providers on {server.url} (OPENAI_BASE_URL={server.url}/v1)\n"
    sys.stdout.write(line)
    sys.stdout.flush()
    try:
        await stop.wait()
    finally:
        await server.stop()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    # os.read, not sys.stdin: a thread that holds the stream's lock would crash the interpreter's exit.
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop)


def _fill_standard_files() -> None:
    """Open what a launcher closed: libuv aborts when one of its own files gets a number below three."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def _run(program: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(program)
        return
    import uvloop

    uvloop.run(program)


def _fail(line: str) -> int:
    sys.stderr.write(f"fake_providers: {line}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
