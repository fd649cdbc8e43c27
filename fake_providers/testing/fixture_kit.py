"""What the pytest fixtures do: fakes with the settings of their test, which the clients of the test find."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import pytest

from chatproof.fake_providers.dialects.provider_variables import KEY_VARIABLES, UNSET, Provider, client_variables
from chatproof.fake_providers.scripting.toml_table import ScriptError
from chatproof.fake_providers.testing.cassette import Cassette, CassetteRecorder, CassetteReplay, real_providers
from chatproof.fake_providers.testing.inprocess import InProcess
from chatproof.fake_providers.testing.offline_guard import OfflineGuard
from chatproof.fake_providers.testing.scripted_fakes import SETTINGS
from chatproof.fake_providers.testing.threaded import ThreadedServer

FakesT = TypeVar("FakesT", InProcess, ThreadedServer)

RECORD_VARIABLE: Final = "CHATPROOF_RECORD"
_MODES: Final = ("missing", "all")


@contextmanager
def running(
    kind: Callable[..., FakesT],
    providers: Sequence[Provider],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    guard: OfflineGuard,
) -> Iterator[FakesT]:
    """Fakes of that kind while the `with` block runs, with the settings and the cassette of the test. The variables of
    these providers' clients hold their address.
    """
    name = request.fixturename or "fakes"
    with _tape(request, name, guard) as tape:
        try:
            settings = _settings(request)
            fakes = kind(**settings if tape is None else {"pace": "instant", **settings})
        except ValueError as problem:
            pytest.fail(f"{name}: {problem} (the marker fake_providers, or fake_… in the ini)", pytrace=False)
        if tape is not None:
            fakes.answer_from(tape)
            fakes.strict = False  # the real provider has judged the model
        guard.fakes.add(name)
        with fakes:
            for provider in providers:
                _point_clients(monkeypatch, provider, fakes.url, keep_keys=isinstance(tape, CassetteRecorder))
            yield fakes


def _settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The ini file's, then those of the markers: the nearest counts. ValueError."""
    settings = {name: value for name in SETTINGS if (value := request.config.getini(f"fake_{name}")) != ""}
    for marker in reversed(list(request.node.iter_markers("fake_providers"))):
        if marker.args:
            raise ValueError(f'settings have names, such as pace="instant"; the marker has {marker.args}')
        settings |= marker.kwargs
    return settings


@contextmanager
def _tape(
    request: pytest.FixtureRequest, name: str, guard: OfflineGuard
) -> Iterator[CassetteRecorder | CassetteReplay | None]:
    """The recorded replies of a test with the marker fake_cassette, or what records them; None without that marker."""
    node = request.node
    if node.get_closest_marker("fake_cassette") is None:
        yield None
        return
    cassette = Cassette.of(node.path, node.nodeid.partition("::")[2], name.removeprefix("fake_"))
    mode = request.config.getoption("fake_record", None) or os.environ.get(RECORD_VARIABLE)
    if mode and mode not in _MODES:
        pytest.fail(f"{RECORD_VARIABLE} must be {' or '.join(_MODES)}, not {mode!r}", pytrace=False)
    if mode == "all" or (mode and not cassette.exists):
        with cassette.recording(real_providers(os.environ)) as recorder:
            guard.allow(*recorder.hosts)
            yield recorder
    elif not cassette.exists:
        how = "run it once with --fake-record missing, your own API key, and the network"
        pytest.fail(f"{name}: this test has no cassette yet ({cassette.folder}): {how}", pytrace=False)
    else:
        try:
            replay = cassette.replay()
        except ScriptError as problem:
            pytest.fail(f"{name}: {problem}", pytrace=False)
        yield replay


def _point_clients(monkeypatch: pytest.MonkeyPatch, provider: Provider, root: str, *, keep_keys: bool) -> None:
    """Set the variables of the provider's clients. `keep_keys`: the real provider is asked, with the user's keys."""
    kept = (*KEY_VARIABLES.values(), "GOOGLE_API_KEY") if keep_keys else ()
    for name, value in client_variables(provider, root).items():
        if name not in kept:
            monkeypatch.setenv(name, value)
    for name in UNSET:
        if name not in kept:
            monkeypatch.delenv(name, raising=False)
