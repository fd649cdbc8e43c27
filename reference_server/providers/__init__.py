"""The language models: one file for each provider; `http_provider` has what they share."""

from collections.abc import Callable

from chatproof.reference_server.config import Config
from chatproof.reference_server.providers.anthropic import Anthropic
from chatproof.reference_server.providers.gemini import Gemini
from chatproof.reference_server.providers.http_provider import ChatProvider
from chatproof.reference_server.providers.local import Local
from chatproof.reference_server.providers.openai import OpenAI

# By LLM_PROVIDER.
PROVIDERS: dict[str, Callable[[Config], ChatProvider]] = {
    "openai": OpenAI,
    "gemini": Gemini,
    "anthropic": Anthropic,
    "local": Local,
}
