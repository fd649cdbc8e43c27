"""Which dialect answers a request. Every folder of `dialects/` is one, and stands in `DIALECTS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from chatproof.fake_providers.dialects.base import Dialect, Request
from chatproof.fake_providers.dialects.gemini import dialect as gemini
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.openai_compatible import dialect as openai_compatible

DIALECTS: Final = (cast(Dialect, gemini), cast(Dialect, openai_compatible), cast(Dialect, openai))
"""In the order in which they are asked: the first that answers a path, and claims the request, gets it."""


def dialect_for(request: Request) -> Dialect | None:
    """The dialect that the request is to; None: no provider has this path.

    Where several have it (/v1/models), one may have a function `claims(request) -> bool` that tells its own.
    """
    return next((d for d in DIALECTS if d.answers(request.method, request.path) and _claims(d, request)), None)


def _claims(dialect: Any, request: Request) -> bool:
    claims: Callable[[Request], bool] | None = getattr(dialect, "claims", None)
    return claims is None or claims(request)
