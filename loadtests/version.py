"""Which chatproof this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _version() -> str:
    try:
        return version("chatproof")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0+checkout"


VERSION = _version()
