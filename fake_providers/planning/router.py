"""Which dialect answers a request. Every folder of `dialects/` is one, and stands in `DIALECTS`."""

from __future__ import annotations

from typing import Final, cast

from chatproof.fake_providers.dialects.anthropic import dialect as anthropic
from chatproof.fake_providers.dialects.azure import dialect as azure
from chatproof.fake_providers.dialects.base import Dialect, IncomingRequest
from chatproof.fake_providers.dialects.gemini import dialect as gemini
from chatproof.fake_providers.dialects.gemini_compatible import dialect as gemini_compatible
from chatproof.fake_providers.dialects.gemini_interactions import dialect as gemini_interactions
from chatproof.fake_providers.dialects.ollama import dialect as ollama
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.openai_compatible import dialect as openai_compatible
from chatproof.fake_providers.planning.nowhere import Nowhere

DIALECTS: Final = tuple(
    cast(Dialect, dialect)
    for dialect in (gemini, anthropic, ollama, openai_compatible, openai, azure, gemini_compatible, gemini_interactions)
)
"""The first that answers a request gets it: openai_compatible is asked before openai, whose paths it shares."""
_NOWHERE: Final[Dialect] = Nowhere()


def dialect_for(request: IncomingRequest) -> Dialect:
    """The dialect that answers the request; one that answers 404 where no provider has the path."""
    return next((dialect for dialect in DIALECTS if dialect.answers(request)), _NOWHERE)
