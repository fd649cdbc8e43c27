"""The providers that can be faked: every module of this folder is one (`exchange.Dialect`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, cast

from chatproof.fake_providers.exchange import Dialect, Request


@lru_cache(maxsize=1)
def all_dialects() -> tuple[Dialect, ...]:
    """Every dialect, in the order of their file names."""
    names = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    return tuple(cast(Dialect, import_module(f"{__name__}.{name}")) for name in names)


def dialect_for(request: Request) -> Dialect | None:
    """The dialect that the request is to; None: no provider has this path.

    Where several have it (/v1/models), one may have a function `claims(request) -> bool` that tells its own.
    """
    return next((d for d in all_dialects() if d.answers(request.method, request.path) and _claims(d, request)), None)


def _claims(dialect: Any, request: Request) -> bool:
    claims: Callable[[Request], bool] | None = getattr(dialect, "claims", None)
    return claims is None or claims(request)
