"""Where the tokens come from: one file for each service, and `upstream` for what they share."""

from collections.abc import Callable

from reference_server.config import Config
from reference_server.providers.gemini import Gemini
from reference_server.providers.local import Local
from reference_server.providers.openai import OpenAI
from reference_server.providers.upstream import Provider

# By LLM_PROVIDER.
PROVIDERS: dict[str, Callable[[Config], Provider]] = {"openai": OpenAI, "gemini": Gemini, "local": Local}
