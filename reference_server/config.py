"""The settings, read from the environment and `.env`. An invalid value is a ConfigError of one line."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values

# Each provider with the setting that configures it. By default the server uses the first configured one.
PROVIDERS = {
    "openai": "openai_api_key",
    "gemini": "gemini_api_key",
    "anthropic": "anthropic_api_key",
    "local": "local_llm_url",
}
BASE_URLS = {"openai": "openai_base_url", "gemini": "google_gemini_base_url", "anthropic": "anthropic_base_url"}
OFFLINE = "REFERENCE_SERVER_OFFLINE"  # set by the server for its workers: the provider is a fake one
FIXED = ("MAX_HISTORY", "MAX_HISTORY_CHARS", "MAX_SESSION_AGE", "MAX_MESSAGE_CHARS", "MAX_BODY_BYTES")
REMOVED = {
    "MAX_SESSIONS": "SESSIONS_MB bounds all sessions together",
    **dict.fromkeys(FIXED, "its default always holds"),
    **dict.fromkeys(("PRICE_IN", "PRICE_OUT"), "the log names the tokens of each reply, not their price"),
    "OFFLINE": "without a provider, the server runs offline by itself",
}


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
    """The origins as browsers write them: in small letters, without the port that is the scheme's own."""
    origins = []
    for one in filter(None, map(str.strip, text.lower().split(","))):
        found = re.fullmatch(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", one)
        if one != "*" and not found:
            raise ConfigError(f"must list origins such as https://example.com: {one[:80]!r}")
        own_port = {"http": ":80", "https": ":443"}[found[1]] if found else ""
        origins.append(one.removesuffix(own_port) if found and found[3] == own_port else one)
    return tuple(origins)


def _setting(default: Any, read: Read = str, shown: bool = True) -> Any:
    return field(default=default, metadata={"read": read}, repr=shown)


_provider = _text("|".join(PROVIDERS), f"must be one of {', '.join(PROVIDERS)}: {{!r}}")
_secret = _text("[!-~]*", "holds a character that is not allowed in a key, such as a space")  # keys become headers
_signing_key = _text("[!-~]{32,}", "needs 32 characters or more, and no space: HS256 asks for 256 bits (RFC 7518, 3.2)")


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
    anthropic_api_key: str = _setting("", _secret, shown=False)
    anthropic_base_url: str = _setting("https://api.anthropic.com", _url("https", "http"))
    anthropic_model: str = _setting("claude-haiku-4-5")
    local_llm_url: str = _setting("", _url("http", "https"))  # Ollama's root, or an OpenAI-compatible root
    local_llm_model: str = _setting("llama3.2")
    provider_timeout: float = _setting(30.0, _number(float, 0.001, 3600))  # seconds without data from the provider
    jwt_secret: str = _setting("", _signing_key, shown=False)  # empty: all users are anonymous
    allowed_origins: tuple[str, ...] = _setting((), _origins)  # in addition to the server's own origin
    trusted_proxies: int = _setting(0, _number(int, 0, 10))  # number of proxies that append to X-Forwarded-For
    stream_limit: int = _setting(30, _number(int, 1, 1_000_000))  # streamed replies per minute and client address
    chat_limit: int = _setting(60, _number(int, 1, 1_000_000))
    redis_url: str = _setting("", _url("redis", "rediss", "unix"), shown=False)  # empty: all state is in memory
    workers: int = _setting(1, _number(int, 1, 64))  # number of processes; more than one needs Redis
    sessions_mb: float = _setting(100.0, _number(float, 0.1, 1_000_000))  # megabytes of all sessions together
    ping_interval: int = _setting(5, _number(int, 1, 300))  # seconds; Engine.IO tells clients whole seconds only
    request_timeout: float = _setting(20.0, _number(float, 0.1, 3600))  # seconds to send headers, again for a body
    host: str = _setting("127.0.0.1")
    port: int = _setting(5000, _number(int, 0, 65535))  # 0: any free port
    offline: bool = False  # no setting: whether the provider is a fake one, which this server started

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Config":
        """Read the settings. An empty variable counts as unset. Raises ConfigError."""
        values: dict[str, Any] = {"offline": environ.get(OFFLINE) == "1"}
        for one in _settings():
            try:
                if text := environ.get(one.name.upper(), "").strip():
                    values[one.name] = one.metadata["read"](text)
            except ConfigError as error:
                raise ConfigError(f"{one.name.upper()} {error}.") from None
        for provider, url in BASE_URLS.items():
            if url in values and (key := PROVIDERS[provider]) not in values:
                raise ConfigError(f"{url.upper()} is set, but {key.upper()} is not: set both or neither.")
        provider = values.setdefault("llm_provider", next((one for one in PROVIDERS if PROVIDERS[one] in values), ""))
        if provider and PROVIDERS[provider] not in values:
            raise ConfigError(f"LLM_PROVIDER is {provider}, but {PROVIDERS[provider].upper()} is not set.")
        if values.get("workers", 1) > 1 and "redis_url" not in values:
            raise ConfigError("WORKERS above 1 needs REDIS_URL: without it, each process would have its own sessions.")
        return cls(**values)


def _settings() -> Iterator[Field[Any]]:
    return (one for one in fields(Config) if one.metadata)


def read_env_file(path: str) -> dict[str, str]:
    """The variables of a file such as `.env`; none if there is no such file. Raises ConfigError."""
    try:
        return {name: value or "" for name, value in dotenv_values(path).items()}
    except (OSError, ValueError) as error:  # ValueError: it is not UTF-8
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"cannot read {path}: {why}.") from error


def suspicious_names(environ: Iterable[str], env_file: Iterable[str]) -> Iterator[str]:
    """A line for each variable that was probably meant as a setting and is none.

    The environment holds the variables of all programs, so there only a name that is almost a setting's counts.
    """
    settings = {one.name.upper() for one in _settings()}
    for where, names, alike in ((".env", set(env_file), 0.8), ("the environment", set(environ), 0.87)):
        others = []
        for name in sorted(names - settings):
            near = get_close_matches(name if where != ".env" else name.upper(), settings - names, 1, alike)
            if why := REMOVED.get(name):
                yield f"{name} in {where} is no longer a setting: {why}."
            elif near:
                yield f"{name} in {where} is not a setting: is {near[0]} meant?"
            else:
                others.append(name[:40])
        if others and where == ".env":
            yield f"Of .env, {len(others)} names are not settings of this server, such as {', '.join(others[:5])}."
