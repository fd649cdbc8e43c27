"""Where the tokens come from: one file for each service, and `upstream` for what they share."""

from reference_server.config import Config
from reference_server.providers.gemini import Gemini
from reference_server.providers.local import Local
from reference_server.providers.openai import OpenAI
from reference_server.providers.upstream import Provider


def make_provider(config: Config) -> Provider:
    """The provider that the configuration names."""
    kinds: dict[str, type[OpenAI | Gemini | Local]] = {"openai": OpenAI, "gemini": Gemini, "local": Local}
    return kinds[config.llm_provider](config)
