"""The settings, read from the environment and `.env`. An invalid value is a ConfigError of one line."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

# Each provider with the setting that configures it. By default the server uses the first configured one.
PROVIDERS = {"openai": "openai_api_key", "gemini": "gemini_api_key", "local": "local_llm_url"}


class ConfigError(Exception):
    """An invalid setting, with which the server cannot start. Its text is one line."""


Read = Callable[[str], Any]


def _number(kind: type, least: float, most: float) -> Read:
    wanted = f"{'a whole number' if kind is int else 'a number'} from {least:,} to {most:,}"

    def read(text: str) -> Any:
        with suppress(ValueError):
            if least <= (number := kind(text)) <= most:  # false for NaN, too
                return number
        raise ConfigError(f"must be {wanted}: {text[:40]!r}")

    return read


def _text(pattern: str, complaint: str) -> Read:
    """`complaint` may hold `{}` for the value, but not for secrets: it is logged."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ConfigError(complaint.format(text[:40]))
        return text

    return read


def _url(*schemes: str) -> Read:
    def read(text: str) -> str:
        with suppress(ValueError):  # for example, a port that is not a number
            url = urlsplit(text)
            is_whole = url.scheme in schemes and (url.hostname or url.scheme == "unix") and url.port != 0
            if is_whole and re.fullmatch(r"[!-~]+", text):
                return text.rstrip("/")
        raise ConfigError(f"must be a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")

    return read


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if not re.fullmatch(r"\*|https?://[^/\s*]+", origin):
            raise ConfigError(f"must list origins such as https://example.com: {origin[:80]!r}")
    return origins


def _setting(default: Any, read: Read = str, shown: bool = True) -> Any:
    return field(default=default, metadata={"read": read}, repr=shown)


_provider = _text("|".join(PROVIDERS), f"must be one of {', '.join(PROVIDERS)}: {{!r}}")
_secret = _text("[!-~]*", "holds a character that is not allowed in a key, such as a space")  # keys become headers


@dataclass(frozen=True)
class Config:
    """The server's settings. Each field is read from the environment variable of the same name in capitals."""

    llm_provider: str = _setting("", _provider)  # empty: the first configured provider, else offline
    openai_api_key: str = _setting("", _secret, shown=False)
    openai_base_url: str = _setting("https://api.openai.com/v1", _url("https", "http"))
    openai_model: str = _setting("gpt-4o-mini")
    gemini_api_key: str = _setting("", _secret, shown=False)
    google_gemini_base_url: str = _setting("https://generativelanguage.googleapis.com", _url("https", "http"))
    gemini_model: str = _setting("gemini-2.5-flash")
    local_llm_url: str = _setting("", _url("http", "https"))  # Ollama's root, or an OpenAI-compatible root
    local_llm_model: str = _setting("llama3.2")
    provider_timeout: float = _setting(30.0, _number(float, 0.001, 3600))  # seconds without data from the provider
    price_in: float = _setting(0.0005, _number(float, 0, 1000))  # dollars per 1,000 tokens
    price_out: float = _setting(0.0015, _number(float, 0, 1000))
    jwt_secret: str = _setting("", _secret, shown=False)  # empty: all users are anonymous
    allowed_origins: tuple[str, ...] = _setting((), _origins)  # in addition to the server's own origin
    trusted_proxies: int = _setting(0, _number(int, 0, 10))  # number of proxies that append to X-Forwarded-For
    stream_limit: int = _setting(30, _number(int, 1, 1_000_000))  # requests per minute and client address
    chat_limit: int = _setting(60, _number(int, 1, 1_000_000))
    redis_url: str = _setting("", _url("redis", "rediss", "unix"), shown=False)  # empty: all state is in memory
    workers: int = _setting(1, _number(int, 1, 64))  # number of processes; more than one needs Redis
    max_sessions: int = _setting(10_000, _number(int, 1, 10_000_000))  # beyond it, the one idle longest is deleted
    max_session_age: int = _setting(86_400, _number(int, 1, 31_536_000))  # seconds since its last use
    max_history: int = _setting(400, _number(int, 2, 100_000))  # messages kept per session
    max_history_chars: int = _setting(200_000, _number(int, 2, 100_000_000))
    max_message_chars: int = _setting(32_000, _number(int, 1, 10_000_000))
    request_timeout: float = _setting(20.0, _number(float, 0.1, 3600))  # seconds to send headers, again for a body
    max_body_bytes: int = _setting(1_000_000, _number(int, 100, 100_000_000))
    host: str = _setting("127.0.0.1")
    port: int = _setting(5000, _number(int, 0, 65535))  # 0: any free port
    offline: bool = _setting(False, lambda text: text == "1")  # set by the server itself: the provider is a fake one

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Config":
        """Read the settings. An empty variable counts as unset. Raises ConfigError."""
        values = {}
        for one in fields(cls):
            try:
                if text := environ.get(one.name.upper(), "").strip():
                    values[one.name] = one.metadata["read"](text)
            except ConfigError as error:
                raise ConfigError(f"{one.name.upper()} {error}.") from None
        for url, key in (("openai_base_url", "openai_api_key"), ("google_gemini_base_url", "gemini_api_key")):
            if url in values and key not in values:
                raise ConfigError(f"{url.upper()} is set, but {key.upper()} is not: set both or neither.")
        provider = values.setdefault("llm_provider", next((one for one in PROVIDERS if PROVIDERS[one] in values), ""))
        if provider and PROVIDERS[provider] not in values:
            raise ConfigError(f"LLM_PROVIDER is {provider}, but {PROVIDERS[provider].upper()} is not set.")
        if values.get("workers", 1) > 1 and "redis_url" not in values:
            raise ConfigError("WORKERS above 1 needs REDIS_URL: without it, each process would have its own sessions.")
        return cls(**values)
