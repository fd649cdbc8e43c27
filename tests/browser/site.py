"""The reference server as a process of its own, for a browser or a client from outside Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent.parent
_KEYS: Final = ("OPENAI_API_KEY", "GEMINI_API_KEY", "LOCAL_LLM_URL")  # each configures a provider
# Empty, not absent: neither the developer's environment nor a .env file may choose the provider.
_SETTINGS: Final = (
    *(*_KEYS, "OPENAI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "LLM_PROVIDER", "REDIS_URL", "JWT_SECRET"),
    *("ALLOWED_ORIGINS", "TRUSTED_PROXIES", "WORKERS", "HOST", "PORT"),
)


@dataclass(frozen=True)
class Site:
    """A running server: its URL, and what it printed when it had started."""

    url: str
    said: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def fakes_url(self) -> str:
        """The root of the fakes that an offline server has started."""
        found = re.search(r"(http://\S+)/_fake/journal", self.said)
        assert found, f"it did not say where the journal is: {self.said}"
        return found[1]


@contextmanager
def running(settings: Mapping[str, str] | None = None, port: int = 0) -> Iterator[Site]:
    """Start a server with these settings on that port (0: any free port). Without a provider's key it runs offline."""
    settings = settings or {}
    process = subprocess.Popen(
        [sys.executable, "-m", "chatproof.reference_server", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(_SETTINGS, ""), **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        found = re.search(r"http://\S+", said)
        if found is None:
            pytest.fail(f"the reference server did not start: {said!r}")
        while not any(key in settings for key in _KEYS) and "/_fake/journal" not in said:
            line = process.stdout.readline()
            assert line, f"it did not say where the journal is: {said}"
            said += line
        yield Site(found[0], said, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        process.stdout.close()
