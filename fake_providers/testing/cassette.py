"""Replies of real providers that a test records once, and replays from then on without the network.

A cassette is a folder of scripts for one test: `openai-001.toml` and so on, in the order in which they were asked for.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest
from chatproof.fake_providers.dialects.provider_variables import Provider
from chatproof.fake_providers.planning.planner import NotRecorded
from chatproof.fake_providers.record.proxy import ProxiedRequest, broken, forwarded
from chatproof.fake_providers.record.recorder import Recorder
from chatproof.fake_providers.record.script_writer import Ending
from chatproof.fake_providers.scripting.script import Script, ScriptError, load_script
from chatproof.fake_providers.testing.interception import Unintercepted
from chatproof.harness.common.redaction import clipped

_CONNECT_S: Final = 30.0
_READ_S: Final = 600.0
_REAL: Final[Mapping[Provider, tuple[tuple[str, ...], str]]] = {
    "openai": (("OPENAI_BASE_URL",), "https://api.openai.com/v1"),
    "gemini": (("GOOGLE_GEMINI_BASE_URL",), "https://generativelanguage.googleapis.com"),
    "anthropic": (("ANTHROPIC_BASE_URL",), "https://api.anthropic.com"),
    "local": (("LOCAL_LLM_URL", "OLLAMA_HOST"), "http://127.0.0.1:11434"),
}
"""The variables that may hold the provider's address, and where it is else."""


def real_providers(environment: Mapping[str, str]) -> dict[str, str]:
    """The root URL of each real provider, as the official clients would find it in these variables."""
    found: dict[str, str] = {}
    for provider, (variables, usual) in _REAL.items():
        url = next((environment[name] for name in variables if environment.get(name)), usual).rstrip("/")
        found[provider] = (url if "://" in url else f"http://{url}").removesuffix("/v1")
    return found


class Cassette:
    """The replies that one fixture of a test gets: the files of `folder` whose names begin with `prefix`."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder: Final = folder
        self._prefix: Final = prefix

    @classmethod
    def of(cls, test_file: Path, test: str, prefix: str) -> Cassette:
        """The cassette of a test, such as `TestChat::test_it[gpt-4o]`: beside its file, in `cassettes/`."""
        plain = re.sub(r"[^\w.-]+", "-", test).strip("-")
        if plain != test:  # two names may have become one
            plain = f"{plain[:100]}-{sha256(test.encode()).hexdigest()[:6]}"
        return cls(test_file.parent / "cassettes" / test_file.stem / plain, prefix)

    @property
    def exists(self) -> bool:
        return bool(self._files())

    def replay(self) -> CassetteReplay:
        """What was recorded. ScriptError."""
        return CassetteReplay([load_script(path) for path in self._files()], self.folder)

    @contextmanager
    def recording(self, targets: Mapping[str, str]) -> Iterator[CassetteRecorder]:
        """Records; in the end that replaces what was recorded before, unless a request could not be."""
        part = self.folder.with_name(f"{self.folder.name}.{self._prefix}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        recorder = CassetteRecorder(targets, part, self._prefix)
        try:
            yield recorder
            new = sorted(part.glob("*.toml"))
            if recorder.failed is None and new:
                self.folder.mkdir(exist_ok=True)
                for old in self._files():
                    old.unlink()
                for path in new:
                    path.replace(self.folder / path.name)
        finally:
            shutil.rmtree(part)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self._prefix}-*.toml"))


class CassetteReplay:
    """Gives each request the first reply that is left and was recorded for the same last message."""

    def __init__(self, replies: list[Script], folder: Path) -> None:
        self._left = replies
        self._where = folder

    def script(self, provider: str, request: IncomingRequest, ask: Ask) -> Script:
        """The recorded reply. NotRecorded."""
        for number, script in enumerate(self._left):
            message = None if script.match is None else script.match.message
            if message is None or message.search(ask.text):
                return self._left.pop(number)
        raise NotRecorded(f"record {self._where} again, with --fake-record all")

    @property
    def left(self) -> list[str]:
        return [script.name for script in self._left]


class CassetteRecorder:
    """Asks the real provider, and writes what it says into `folder` as a script. `failed`: why that was not possible.

    Keys are passed on and never written. `targets`: the root URL of each provider.
    """

    def __init__(self, targets: Mapping[str, str], folder: Path, prefix: str) -> None:
        self.failed: str | None = None
        self._targets = targets
        self._folder = folder
        self._prefix = prefix
        self.left: Final[list[str]] = []
        """Nothing: each reply goes to the request that fetched it."""

    @property
    def hosts(self) -> set[str]:
        """The hosts that are asked: the providers', and the proxies that the environment names."""
        urls = [*self._targets.values(), *filter(None, map(_proxy, self._targets.values()))]
        return {host for url in urls if (host := urlsplit(url).hostname)}

    def script(self, provider: str, request: IncomingRequest, ask: Ask) -> Script:
        """What the real provider answers to the request. NotRecorded."""
        try:
            return load_script(self._folder / f"{self._record(provider, request, ask)}.toml")
        except (NotRecorded, ScriptError, OSError, httpx.HTTPError, httpx.InvalidURL) as problem:
            reason = str(problem) or type(problem).__name__
            self.failed = clipped(f"{self._targets.get(provider, provider)} was not recorded: {reason}", 300)
            raise NotRecorded(self.failed) from problem

    def _record(self, provider: str, request: IncomingRequest, ask: Ask) -> str:
        """The name of the new script."""
        if (target := self._targets.get(provider)) is None:
            raise NotRecorded("this provider cannot be recorded")
        exchange = ProxiedRequest(request.method, request.path, request.query, request.headers, request.body)
        listener = Recorder(target, self._folder, self._prefix, match=True, numbered=True).open(exchange, ask.text)
        if listener is None:
            raise NotRecorded(f"{request.path} cannot be recorded")
        timeout = httpx.Timeout(_READ_S, connect=_CONNECT_S)
        ending: Ending = "complete"
        with httpx.Client(transport=Unintercepted(proxy=_proxy(target)), timeout=timeout) as client:
            response = client.send(forwarded(client, target, exchange), stream=True)
            listener.head(response.status_code, {name.lower(): value for name, value in response.headers.items()})
            try:
                for data in response.iter_raw():
                    listener.data(data)
            except httpx.HTTPError as problem:
                ending = broken(problem, begun=True)
        return listener.finish(ending)


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for the URL."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
