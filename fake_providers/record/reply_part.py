"""What a provider's reply consists of, whatever the provider."""

from __future__ import annotations

from dataclasses import dataclass

from chatproof.fake_providers.scripting.steps import Channel


@dataclass(frozen=True, slots=True)
class TextPart:
    """What the model said. An empty text only says that what follows is a step of its own."""

    text: str
    channel: Channel = "text"


@dataclass(frozen=True, slots=True)
class HiddenThoughts:
    """How many tokens the model thought in all, as the usage says: OpenAI does not send the thoughts themselves."""

    tokens: int


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A part of the call number `index`: its name, some of its arguments' JSON text, or both."""

    index: int
    name: str
    fragment: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the reply, with a reason as scripts name it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """The provider refused the prompt."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """An error object; `retry_after_s` is Gemini's RetryInfo."""

    message: str | None
    type: str | None
    code: str | None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """An event that is not JSON."""


ReplyPart = TextPart | HiddenThoughts | ToolCallPart | Finished | Blocked | Failed | Malformed
