"""`python -m fake_providers`, `chatproof providers`: serve the fake providers, and the commands about scripts."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.script import ScriptError
from chatproof.fake_providers.scripting.script_commands import add_scripts_option, check_files, fail, list_scripts
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.server.fake_server import FakeServer, fastest_loop
from chatproof.harness.common.suggestions import SuggestingParser

_EPILOG = """Point a server at them with OPENAI_BASE_URL=http://127.0.0.1:8089/v1 and any OPENAI_API_KEY.
A user message with the words "scenario NAME" picks the script NAME; GET /_fake/scripts lists them.
GET /_fake/journal shows every request and what was sent.

Other commands (each has --help):
  scripts       list the scripts
  check FILE    check script files
  record        a proxy in front of a real provider, which writes its replies as scripts"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM. Exit code 0, or 2 with one line on stderr."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    command = {"scripts": list_scripts, "check": check_files}.get(given[0]) if given else None
    if command is not None:
        return _piped(lambda: command(given[1:]))
    _fill_standard_files()
    if given[:1] == ["record"]:
        from chatproof.fake_providers.record.recorder import (
            main as record,  # alone, since serving has no use for its clients
        )

        return record(given[1:])
    options = _parser().parse_args(given)
    if missing := tokenizer.missing():
        return fail(missing)
    try:
        with asyncio.Runner(loop_factory=fastest_loop()) as runner:
            runner.run(_serve(ScriptLibrary(options.scripts), options))
    except ScriptError as problem:
        return fail(str(problem))
    except KeyboardInterrupt:
        return 0
    except (OSError, OverflowError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        advice = "choose another --port (0: a free one) or --host"
        return fail(f"cannot listen on {options.host}:{options.port}: {reason}; {advice}")
    return 0


def _piped(command: Callable[[], int]) -> int:
    """Run the command. A reader that stops early (`| head`) is not an error."""
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes once more when it ends
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = SuggestingParser(
        prog="chatproof providers",
        description="Run fake OpenAI, Gemini, Anthropic and Ollama APIs, whose answers are the same in every run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8089, help="port; 0 uses a free one (default: %(default)s)")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse unknown models, prompts that are too long for the model, and what else the real APIs refuse of a"
        " model (default: accept any)",
    )
    add_scripts_option(parser)
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop when standard input closes, so that the fakes never outlive the process that started them",
    )
    return parser


async def _serve(library: ScriptLibrary, options: argparse.Namespace) -> None:
    server = FakeServer(library, options.host, options.port, strict=options.strict)
    stop = _stop_event(options)
    await server.start()
    sys.stdout.write(f"chatproof fake providers on {server.url} (OPENAI_BASE_URL={server.url}/v1)\n")
    sys.stdout.flush()
    threading.Thread(target=tokenizer.load, daemon=True).start()  # it takes 0.2 s, which no start need wait for
    try:
        await stop.wait()
    finally:
        await server.stop()


def _stop_event(options: argparse.Namespace) -> asyncio.Event:
    """An event that Ctrl-C and SIGTERM set, and with --until-stdin-closes the end of standard input."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    if sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    if options.until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(loop, stop.set), daemon=True).start()
    return stop


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    # os.read, not sys.stdin: a thread that holds the stream's lock would crash the interpreter's exit.
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop)


def _fill_standard_files() -> None:
    """Open the standard files that a launcher closed: libuv aborts if one of its own gets a number below three."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


if __name__ == "__main__":
    sys.exit(main())
