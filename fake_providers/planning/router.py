"""Which dialect answers a request. Every folder of `dialects/` is one, and stands in `DIALECTS`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from chatproof.fake_providers.dialects.base import Ask, Dialect, IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.dialects.gemini import dialect as gemini
from chatproof.fake_providers.dialects.ollama import dialect as ollama
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.openai_compatible import dialect as openai_compatible
from chatproof.fake_providers.models.catalogue import Catalogue
from chatproof.fake_providers.scripting.script import Script

DIALECTS: Final = tuple(cast(Dialect, dialect) for dialect in (gemini, ollama, openai_compatible, openai))
"""The first that answers a request gets it: openai_compatible is asked before openai, whose paths it shares."""


def dialect_for(request: IncomingRequest) -> Dialect:
    """The dialect that answers the request; one that answers 404 where no provider has the path."""
    return next((dialect for dialect in DIALECTS if dialect.answers(request)), _NOWHERE)


class _Nowhere:
    """Answers paths that no provider has: most often because a base URL lacks its /v1."""

    NAME = "none"

    def answers(self, request: IncomingRequest) -> bool:
        return True

    def read(self, request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue) -> Ask | Reply:
        message = (
            f"Invalid URL ({request.method} {request.path[:200]}): no fake provider answers there."
            " Is the base URL right? OPENAI_BASE_URL ends in /v1."
        )
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": "unknown_url"}
        body = json.dumps({"error": error}).encode()
        return Reply(404, (("content-type", "application/json"),), (TimedFrame(body, 0.0),))

    def render(self, ask: Ask) -> Reply:
        raise AssertionError("it never gives an Ask")

    def form(self, ask: Ask) -> None:
        raise AssertionError("it never gives an Ask")

    def refuse(self, ask: Ask, text: str) -> Reply:
        raise AssertionError("it never gives an Ask")


_NOWHERE: Final[Dialect] = _Nowhere()
