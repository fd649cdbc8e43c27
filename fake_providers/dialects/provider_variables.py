"""The one table of provider variables: which names and values send clients and servers to the fakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Provider = Literal["openai", "gemini", "anthropic", "local"]

HOSTS: Final[dict[Provider, str]] = {
    # .test is reserved for tests: a client that the fakes miss reaches nobody with it
    "openai": "fake-openai.test",
    "gemini": "fake-gemini.test",
    "anthropic": "fake-anthropic.test",
    "local": "fake-local.test",
}
REAL_HOSTS: Final[dict[Provider, tuple[str, ...]]] = {
    "openai": ("api.openai.com",),
    "gemini": ("generativelanguage.googleapis.com",),
    "anthropic": ("api.anthropic.com",),
    "local": ("localhost:11434", "127.0.0.1:11434"),
}
REAL_DOMAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
}
"""Below these, customers have hosts of their own: Azure's resources."""
FAKE_KEY: Final = "fake-key"
URL_VARIABLES: Final[Mapping[str, str]] = {
    "openai": "OPENAI_BASE_URL",
    "gemini": "GOOGLE_GEMINI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "local": "LOCAL_LLM_URL",
}
"""The variable with a provider's base URL: the official clients read the first three, the API document names all."""
KEY_VARIABLES: Final[Mapping[str, str]] = {
    "openai": "OPENAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
}
UNSET: Final = ("GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE", "ANTHROPIC_AUTH_TOKEN")
"""Variables that Google's client would prefer to the ones set here, and one that Anthropic's sends beside them."""
_ONLY_ASKED: Final = ("anthropic",)
"""Providers that a server under test hears of only if it is to use them: it may choose by the keys that it finds."""


def base_url(provider: str, root: str) -> str:
    """What the provider's clients call a base URL. `root`: the fakes' URL without a slash at its end."""
    return f"{root}/v1" if provider == "openai" else root


def client_variables(provider: Provider, root: str, key: str = FAKE_KEY) -> dict[str, str]:
    """The environment variables that send the provider's official clients to the fakes at `root`."""
    given = {URL_VARIABLES[provider]: base_url(provider, root)}
    if provider in KEY_VARIABLES:
        given[KEY_VARIABLES[provider]] = key
    if provider == "local":
        given["OLLAMA_HOST"] = root
    return given


def server_variables(provider: str, root: str, key: str = FAKE_KEY) -> dict[str, str]:
    """The environment variables, by the names of the API document, of a server under test behind the fakes at `root`.

    They hold the addresses of the usual providers; `provider` is the one that the server is to use.
    """
    told = [each for each in URL_VARIABLES if each == provider or each not in _ONLY_ASKED]
    keys = {KEY_VARIABLES[each]: key for each in told if each in KEY_VARIABLES}
    return {**keys, **{URL_VARIABLES[each]: base_url(each, root) for each in told}, "LLM_PROVIDER": provider}
