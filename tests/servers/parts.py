"""What the parts of the plain server hand to each other."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
Message = dict[str, Any]

SESSIONS = "/api/chat/sessions/"
MAX_BODY = 1 << 20
ANONYMOUS = "anonymous"
KEYS = {"gemini": "GEMINI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


class Refused(Exception):
    """A request that is not served: the status and the text for its client."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers


class ProviderFailed(Exception):
    """The provider did not give a whole reply. The text may be shown."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the environment says. `url` is where a reply is asked for; without a secret nobody is known by name.
    `secret_key`: the secret by another usual name."""

    provider: str
    url: str
    key: str
    timeout: float
    secret: str
    secret_key: str
    origins: tuple[str, ...]

    @classmethod
    def read(cls, env: Mapping[str, str] = os.environ) -> Config:
        provider = env.get("LLM_PROVIDER", "openai")
        if provider == "gemini":
            root = env["GOOGLE_GEMINI_BASE_URL"].rstrip("/")
            url = f"{root}/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse"
        elif provider == "anthropic":
            url = env["ANTHROPIC_BASE_URL"].rstrip("/") + "/v1/messages"
        else:
            local = provider == "local"
            root = env["LOCAL_LLM_URL"].rstrip("/") + "/v1" if local else env["OPENAI_BASE_URL"].rstrip("/")
            url = f"{root}/chat/completions"
        return cls(
            provider,
            url,
            env[KEYS.get(provider, "OPENAI_API_KEY")],
            float(env.get("PROVIDER_TIMEOUT", "30")),
            env.get("JWT_SECRET", ""),
            env.get("JWT_SECRET_KEY", ""),
            tuple(filter(None, env.get("ALLOWED_ORIGINS", "").split(","))),
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """A message, where it belongs, how it came, and whose it is."""

    message: str
    session_id: str
    over: str = "sse"
    began: float = field(default_factory=time.monotonic)
    user: str = ANONYMOUS


@dataclass(slots=True)
class Session:
    """What was said, and whose it is."""

    messages: list[Message] = field(default_factory=list)
    owner: str = ANONYMOUS


def name_of(event: Event) -> str:
    """The event's name over Socket.IO."""
    if "error" in event:
        return "chat_stream_error"
    return "chat_complete" if "done" in event else "chat_token"


def is_unicode(text: str) -> bool:
    """Without lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
