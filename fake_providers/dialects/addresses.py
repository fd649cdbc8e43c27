"""Where the clients of each provider are told to go, and how."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, Literal

Provider = Literal["openai", "gemini", "local"]

HOSTS: Final[dict[Provider, str]] = {
    # .test is reserved for tests: a client that the fakes miss can reach nobody with it.
    "openai": "fake-openai.test",
    "gemini": "fake-gemini.test",
    "local": "fake-local.test",
}
REAL_HOSTS: Final[dict[Provider, tuple[str, ...]]] = {
    "openai": ("api.openai.com",),
    "gemini": ("generativelanguage.googleapis.com",),
    "local": ("localhost:11434", "127.0.0.1:11434"),
}
KEY: Final = "fake-key"
UNSET: Final = ("GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE")
"""Variables that would lead Google's client past the ones set here."""


def base_url(provider: Provider, root: str) -> str:
    """What the provider's clients call a base URL. `root` is without a slash at its end."""
    return f"{root}/v1" if provider == "openai" else root


def environment(provider: Provider, root: str) -> dict[str, str]:
    """The variables that make the provider's official clients ask the fakes at `root`."""
    address = base_url(provider, root)
    match provider:
        case "openai":
            return {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": KEY}
        case "gemini":
            return {"GOOGLE_GEMINI_BASE_URL": address, "GEMINI_API_KEY": KEY}
        case "local":
            return {"LOCAL_LLM_URL": address, "OLLAMA_HOST": address}


def sequence_for_all(names: Sequence[str]) -> str:
    """A script (TOML) that answers each request which names none, with these scripts in turn."""
    return f'about = "What the test wants played."\nsequence = {json.dumps(list(names))}\nmatch = {{ model = "*" }}\n'


SEQUENCE_NAME: Final = "0-plays"
"""Its script's name: the first by name is the first whose [match] is looked at."""
