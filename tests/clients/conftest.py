"""The official clients talk to a real server: the one of the fakes' own tests."""

from __future__ import annotations

import pytest

from tests.fake_providers.conftest import fakes, scripts, served

__all__ = ["fakes", "scripts", "served"]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients honour the machine's proxies, which cannot reach our loopback."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
