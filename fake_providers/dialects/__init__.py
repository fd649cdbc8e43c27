"""The providers that can be faked: every module of this folder is one (`exchange.Dialect`)."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from fake_providers.exchange import Dialect


@lru_cache(maxsize=1)
def all_dialects() -> tuple[Dialect, ...]:
    """Every dialect, in the order of their file names."""
    names = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    return tuple(cast(Dialect, import_module(f"{__name__}.{name}")) for name in names)
