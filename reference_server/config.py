"""What the environment may set. A bad value is one clear sentence, never a traceback."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MAX_BODY_BYTES = 1_000_000
MAX_MESSAGE_CHARS = 100_000
MAX_SESSION_ID_CHARS = 512
MAX_SESSIONS = 10_000  # beyond that, the session that was idle longest is forgotten
MAX_HISTORY = 400  # messages that one session keeps and sends upstream
LONGEST_TIMEOUT = 3600.0


class ConfigError(Exception):
    """A setting that the server cannot start with; its text is one line for a person."""


@dataclass(frozen=True)
class Config:
    """The server's settings. `openai_api_key` is empty when none was given: then run offline."""

    openai_api_key: str = field(default="", repr=False)
    openai_base_url: str = "https://api.openai.com/v1"
    openai_model: str = "gpt-4o-mini"
    provider_timeout: float = 30.0  # seconds of silence
    allowed_origins: tuple[str, ...] = ()  # none: Socket.IO accepts the server's own origin only
    host: str = "127.0.0.1"
    port: int = 5000

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Config":
        """Read the settings; an empty variable counts as unset. Raises ConfigError."""
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        if given.get("LLM_PROVIDER", "openai") != "openai":
            raise ConfigError(f"LLM_PROVIDER {given['LLM_PROVIDER']!r} is not supported yet: use openai.")
        if "OPENAI_BASE_URL" in given and "OPENAI_API_KEY" not in given:
            raise ConfigError("OPENAI_BASE_URL is set, but OPENAI_API_KEY is not: set both or neither.")
        return cls(
            openai_api_key=_key(given.get("OPENAI_API_KEY", cls.openai_api_key)),
            openai_base_url=_base_url(given.get("OPENAI_BASE_URL", cls.openai_base_url)),
            openai_model=given.get("OPENAI_MODEL", cls.openai_model),
            provider_timeout=_timeout(given.get("PROVIDER_TIMEOUT", str(cls.provider_timeout))),
            allowed_origins=_origins(given.get("ALLOWED_ORIGINS", "")),
            host=given.get("HOST", cls.host),
            port=_port(given.get("PORT", str(cls.port))),
        )


def _key(text: str) -> str:
    # It becomes a header. The message must not repeat it: it ends in logs.
    if not re.fullmatch(r"[!-~]*", text):
        raise ConfigError("OPENAI_API_KEY holds a character that no key holds (a space, perhaps).")
    return text


def _base_url(text: str) -> str:
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:  # such as a port that is not a number
        usable = False
    if not usable or not re.fullmatch(r"[!-~]+", text):
        raise ConfigError("OPENAI_BASE_URL must be an http:// or https:// URL, such as http://127.0.0.1:8000/v1.")
    return text.rstrip("/")


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_TIMEOUT:  # false for nan as well
        raise ConfigError(f"PROVIDER_TIMEOUT must be seconds, above 0 and at most {LONGEST_TIMEOUT:.0f}: {text!r}.")
    return seconds


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ConfigError(f"ALLOWED_ORIGINS must list origins such as https://example.com: {origin!r}.")
    return origins


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ConfigError(f"The port must be a number from 0 (any free one) to 65535: {text!r}.")
    return int(text)
