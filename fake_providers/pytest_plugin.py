"""Fixtures for tests of code that talks to a model.

`fake_openai`, `fake_gemini`, `fake_local` answer httpx and httpx2 in this process; `fake_server` answers everybody on a
port of 127.0.0.1. Each sets the variables that the official clients read, and has `journal`, `script(name, toml)`,
`plays(*names)` and `base_url`. With each comes `offline_guard`. This module is a part of every pytest run
where chatproof is installed: what costs time to import is imported by the fixture that needs it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from fake_providers.addresses import Provider
    from fake_providers.guard import OfflineGuard
    from fake_providers.inprocess import InProcess
    from fake_providers.threaded import ThreadedServer

_ALLOW: Final = "offline_allow"
_ESCAPED: Final = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(_ALLOW, "hosts that chatproof's offline_guard lets tests reach all the same", "args", default=[])


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Keep in mind that it was the guard's own error which failed a test: one report of it is enough."""
    try:
        return (yield)
    except BaseException as problem:
        if _ESCAPED in pyfuncitem.stash:
            from fake_providers.guard import EscapedTraffic

            pyfuncitem.stash[_ESCAPED] = isinstance(problem, EscapedTraffic)
        raise


@pytest.fixture
def offline_guard(request: pytest.FixtureRequest) -> Iterator[OfflineGuard]:
    """Fails the test if its traffic would leave the machine. `usefixtures = offline_guard` in the ini: all tests."""
    from fake_providers.guard import OfflineGuard

    stash = request.node.stash
    stash[_ESCAPED] = False
    guard = OfflineGuard(request.config.getini(_ALLOW))
    with guard.watching():
        yield guard
    if not stash[_ESCAPED]:
        guard.check()


@pytest.fixture
def fake_openai(monkeypatch: pytest.MonkeyPatch, offline_guard: OfflineGuard) -> Iterator[InProcess]:
    """A fake OpenAI in this process, for httpx and httpx2."""
    yield from _in_process("openai", monkeypatch)


@pytest.fixture
def fake_gemini(monkeypatch: pytest.MonkeyPatch, offline_guard: OfflineGuard) -> Iterator[InProcess]:
    """A fake Gemini in this process, for httpx and httpx2."""
    yield from _in_process("gemini", monkeypatch)


@pytest.fixture
def fake_local(monkeypatch: pytest.MonkeyPatch, offline_guard: OfflineGuard) -> Iterator[InProcess]:
    """A fake Ollama, llama.cpp, vLLM or LM Studio in this process, for httpx and httpx2."""
    yield from _in_process("local", monkeypatch)


@pytest.fixture
def fake_server(monkeypatch: pytest.MonkeyPatch, offline_guard: OfflineGuard) -> Iterator[ThreadedServer]:
    """All fake providers over HTTP, for every client and every process that inherits the variables."""
    from typing import get_args

    from fake_providers.addresses import Provider
    from fake_providers.threaded import ThreadedServer

    with ThreadedServer() as server:
        for provider in get_args(Provider):
            _point_clients(monkeypatch, provider, server.url)
        yield server


def _in_process(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    from fake_providers.inprocess import InProcess

    with InProcess(provider) as fakes:
        _point_clients(monkeypatch, provider, fakes.url)
        yield fakes


def _point_clients(monkeypatch: pytest.MonkeyPatch, provider: Provider, root: str) -> None:
    from fake_providers.addresses import UNSET, environment

    for name, value in environment(provider, root).items():
        monkeypatch.setenv(name, value)
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
