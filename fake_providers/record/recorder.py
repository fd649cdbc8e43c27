"""`chatproof providers record`: a proxy in front of a real provider that writes its replies as scripts."""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from chatproof.fake_providers.record.proxy import ProxiedRequest, Proxy
from chatproof.fake_providers.record.reply_decoder import parser_for
from chatproof.fake_providers.record.script_writer import Ending, Recording
from chatproof.fake_providers.scripting.script import NAME, ScriptError, parse_script
from chatproof.fake_providers.scripting.script_commands import fail
from chatproof.fake_providers.scripting.selection import case_of
from chatproof.harness.common.redaction import without_secrets
from chatproof.harness.common.suggestions import SuggestingParser

_SECRET_HEADERS: Final = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie")
_SHORTEST_SECRET: Final = 4
_MAX_MATCH: Final = 2_000

_EPILOG = """Point the client at it as at the provider: OPENAI_BASE_URL=http://127.0.0.1:8090/v1 for
--target https://api.openai.com. Keys are passed on and never written. Then play what was recorded:
chatproof providers --scripts DIR, and ask with the words "scenario NAME"."""


class Recorder:
    """Writes a script into `folder` for each exchange with a model's reply.

    `match`: the same last message picks the script, before a tool's result or after it. `numbered`: name scripts by
    number, not by the message's case.
    """

    def __init__(self, target: str, folder: Path, prefix: str, *, match: bool = False, numbered: bool = False) -> None:
        self._host = urlsplit(target).hostname or target
        self._folder = folder
        self._prefix = prefix
        self._match = match
        self._numbered = numbered

    def open(self, exchange: ProxiedRequest, message: str | None = None) -> ExchangeRecorder | None:
        """The listener for an exchange; None if there is nothing to record. `message`: the last user message, where
        the caller knows it better.
        """
        listener = parser_for(exchange.path)
        if exchange.method != "POST" or listener is None:
            return None
        about = f"Recorded from {self._host}: {exchange.method} {exchange.path}, model {exchange.model or 'unknown'}."
        secrets = _secrets(exchange.headers, exchange.query)
        pattern = self._pattern(exchange.last_message if message is None else message, secrets)
        return ExchangeRecorder(self, exchange, Recording(about, secrets, pattern, exchange.after_tool))

    def _pattern(self, message: str, secrets: Sequence[str]) -> str | None:
        """A regular expression for exactly this message; None without --match, or if the message holds a secret."""
        if not self._match or not 0 < len(message) <= _MAX_MATCH or without_secrets(message, secrets) != message:
            return None
        return rf"^{re.escape(message)}\Z"

    def keep(self, exchange: ProxiedRequest, recording: Recording, ending: Ending, at: float) -> str:
        """Write the script and return its name. ScriptError, OSError."""
        toml = recording.toml(ending, at)
        name = self._free_name(None if self._numbered else case_of(exchange.last_message))
        try:
            parse_script(name, toml)
        except ScriptError as problem:
            raise ScriptError(f"what was seen of {exchange.path} is no script: {problem}") from problem
        # Fakes that watch the folder must never read half a script: write, then rename.
        half = self._folder / f"{name}.part"
        half.write_text(toml, encoding="utf-8")
        half.replace(self._folder / f"{name}.toml")
        return name

    def _free_name(self, case: str | None) -> str:
        if case is not None and NAME.fullmatch(f"{self._prefix}-{case}-999"):
            name = f"{self._prefix}-{case}"
            if not self._taken(name):
                return name
            stem, number = f"{name}-", 2
            width = 1
        else:
            stem, number, width = f"{self._prefix}-", 1, 3
        while self._taken(f"{stem}{number:0{width}}"):
            number += 1
        return f"{stem}{number:0{width}}"

    def _taken(self, name: str) -> bool:
        return (self._folder / f"{name}.toml").exists()


class ExchangeRecorder:
    def __init__(self, recorder: Recorder, exchange: ProxiedRequest, recording: Recording) -> None:
        self._recorder = recorder
        self._exchange = exchange
        self._recording = recording
        self._began = time.monotonic()
        self._compressed = False

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        listener = parser_for(self._exchange.path)
        assert listener is not None
        self._compressed = headers.get("content-encoding", "identity") != "identity"
        self._recording.begin(status, headers, listener, self._exchange.path, self._exchange.query)

    def data(self, data: bytes) -> None:
        if not self._compressed:
            self._recording.feed(data, time.monotonic() - self._began)

    def end(self, ending: Ending) -> None:
        """Write the script of the finished exchange, and print one line."""
        try:
            name = self.finish(ending)
        except (ScriptError, OSError) as problem:
            sys.stderr.write(f"fake_providers: not recorded: {problem}\n")
            return
        took = time.monotonic() - self._began
        sys.stdout.write(f"{name}: {self._recording.said} tokens, {took:.2f} s, {self._exchange.path}\n")
        sys.stdout.flush()

    def finish(self, ending: Ending) -> str:
        """Write the script of the finished exchange, and return its name. ScriptError, OSError."""
        at = time.monotonic() - self._began
        if self._compressed:
            raise ScriptError(f"the answer on {self._exchange.path} is compressed")
        if ending == "complete":
            self._recording.feed(b"", at, final=True)
        return self._recorder.keep(self._exchange, self._recording, ending, at)


def main(arguments: Sequence[str]) -> int:
    """Record until Ctrl-C or SIGTERM. Exit code 0, or 2 with one line on stderr."""
    options = _parser().parse_args(arguments)
    target: str = options.target.rstrip("/")
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return fail(f"--target {options.target!r} is not a URL such as https://api.openai.com")
    if not NAME.fullmatch(options.name):
        return fail(f"--name {options.name!r} must be lower-case letters, digits and dashes")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        asyncio.run(_serve(target, options))
    except KeyboardInterrupt:
        return 0
    except (OSError, OverflowError) as problem:
        return fail(f"cannot record on {options.host}:{options.port} into {options.out}: {problem}")
    return 0


async def _serve(target: str, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    if sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    proxy = Proxy(target, Recorder(target, options.out, options.name, match=options.match).open)
    await proxy.start(options.host, options.port)
    sys.stdout.write(f"chatproof recorder on {proxy.url} for {urlsplit(target).hostname}, scripts into {options.out}\n")
    sys.stdout.flush()
    try:
        await stop.wait()
    finally:
        await proxy.stop()


def _secrets(headers: Mapping[str, str], query: str) -> tuple[str, ...]:
    """The secrets of a request: they must not appear in the script."""
    values = [headers[name] for name in _SECRET_HEADERS if name in headers]
    values += [value.partition(" ")[2] for value in values]
    values += [value for name, found in parse_qs(query).items() if "key" in name or "token" in name for value in found]
    return tuple(sorted({value for value in values if len(value) >= _SHORTEST_SECRET}, key=len, reverse=True))


def _parser() -> argparse.ArgumentParser:
    parser = SuggestingParser(
        prog="chatproof providers record",
        description="Pass requests on to a real provider (OpenAI-compatible, Gemini, Anthropic, Ollama) and write its"
        " answers, with their timing and their faults, as scripts.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--target", required=True, metavar="URL", help="the provider's root, https://api.openai.com")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="port; 0 uses a free one (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write the scripts into")
    parser.add_argument(
        "--name", default="recorded", metavar="PREFIX", help="prefix of the scripts' names (default: %(default)s)"
    )
    parser.add_argument(
        "--match",
        action="store_true",
        help="add a [match] for the last user message, so that the same message picks the script (default: off)",
    )
    return parser
