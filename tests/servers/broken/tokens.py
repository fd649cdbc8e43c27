"""Faults that the rows of TOK and END notice."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import ClassVar

from tests.servers.broken.fault import WHOLE, WIRE, fault
from tests.servers.parts import Ask, Event, Message
from tests.servers.plain_server import ChatServer


@fault(
    "count-from-0",
    "TOK-02",
    WHOLE,
    may="SIO-02 SIO-07",
)
class CountsFromZero(ChatServer):
    first_count = 0


@fault("count-as-text", "TOK-01", WIRE, may="", unjudged="TOK-02 END-03")
class CountsInText(ChatServer):
    def token_event(self, token: str, count: int, partial: str) -> Event:
        return {"token": token, "count": str(count), "partial": partial}


@fault("one-token-lost", "TOK-04", "SSE TOK END", may="TOK-05")
class LosesAToken(ChatServer):
    """The thirtieth."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        count = 0
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                count += 1
                if count != 30:
                    yield token


@fault(
    "stripped",
    "TOK-04 TOK-05",
    "SSE TOK END ERR SIO SES CHAT INT",
    may="SIO-02 SIO-07 CHAT-02",
)
class StripsTokens(ChatServer):
    """As a model's tokens must not be: their spaces are the text's."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                if token.strip():
                    yield token.strip()


class _Normalises(ChatServer):
    form = "NFC"

    def read_chunk(self, data: str) -> tuple[str, bool]:
        text, finished = super().read_chunk(data)
        return unicodedata.normalize(self.form, text), finished  # type: ignore[arg-type]  # one of four words


@fault("nfc", "TOK-05", "TOK END SIO-02 SIO-07 SES-08")
class NormalisesNfc(_Normalises):
    pass


@fault("nfkc", "TOK-05", "TOK END SIO-02 SIO-07 SES-08")
class NormalisesNfkc(_Normalises):
    form = "NFKC"


@fault("splitlines", "TOK-05", "TOK SIO-02 SIO-08 ERR-03", may="SIO-02")
class ReadsUnicodeLines(ChatServer):
    """The provider's stream by `str.splitlines`, which ends lines at U+2028 too."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        async with aclosing(super().provider_events(chunks)) as events:
            async for data in events:
                parts = data.splitlines()
                yield "".join(parts)


@fault("bytes-replaced", "TOK-05", "TOK SIO-02 SIO-08 ERR-03")
class DecodesChunks(ChatServer):
    """Each chunk of the provider's bytes by itself."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        async def decoded() -> AsyncGenerator[bytes, None]:
            async for chunk in chunks:
                yield chunk.decode("utf-8", "replace").encode()

        async with aclosing(super().provider_events(decoded())) as events:
            async for data in events:
                yield data


@fault("partial-behind", "TOK-03 END-04", "TOK END SIO-02 SIO-07", may="SIO-02 SIO-07")
class PartialBehind(ChatServer):
    """`partial` lacks the newest token."""

    def token_event(self, token: str, count: int, partial: str) -> Event:
        return super().token_event(token, count, partial.removesuffix(token))


@fault(
    "no-terminal-event",
    "END-01 SIO-03",
    WHOLE,
    may="SIO-10",
    unjudged="END-02 END-03 END-04 END-05 END-06 END-07 END-08 SSE-08 SIO-04 "
    "SES-01 SES-02 SES-03 SES-04 SES-05 SES-07 SES-08 SES-09 SES-10 SES-11 SES-12 SES-13",
)
class NoTerminalEvent(ChatServer):
    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if "done" not in event:
                    yield event


@fault("two-terminal-events", "END-01 SIO-03", "SSE-01 SSE-08 TOK-04 END-01 ERR-01 SIO-02 SIO-03 SIO-10")
class TwoTerminalEvents(ChatServer):
    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                yield event
                if "done" in event:
                    yield event


@fault("milliseconds", "END-06 SIO-04", "END SIO-04", may="SIO-04")
class DurationInMilliseconds(ChatServer):
    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        event = super().completion(count, partial, ask, first_at)
        duration = event["duration"] * 1000
        return {**event, "duration": duration, "tokens_per_second": self.speed(count, duration)}


@fault("speed-inverted", "END-05 SIO-04", "END SIO-04", may="SIO-04")
class SpeedInverted(ChatServer):
    def speed(self, tokens: int, duration: float) -> float:
        return round(duration / max(tokens, 1), 2)


@fault("tokens-off-by-one", "END-03 SIO-04", "END SIO-04")
class TokensOffByOne(ChatServer):
    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        return super().completion(count + 1, partial, ask, first_at)


@fault("full-response-cut", "END-04", "END SIO-04 SES")
class FullResponseCut(ChatServer):
    def full_response(self, partial: str) -> str:
        return partial[:-1]


class _Completion(ChatServer):
    changes: ClassVar[Mapping[str, object]] = {}

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        event = {**super().completion(count, partial, ask, first_at), **self.changes}
        return {name: value for name, value in event.items() if value is not ...}


@fault("user-missing", "END-02 END-07", "END SIO-04")
class UserMissing(_Completion):
    changes: ClassVar = {"user": ...}


@fault("user-null", "END-02 END-07", "END SIO-04")
class UserNull(_Completion):
    changes: ClassVar = {"user": None}


@fault("epoch", "END-02 END-08", "END SIO-04 SES-01")
class EpochAsTimestamp(_Completion):
    changes: ClassVar = {"timestamp": 1_763_662_530.12}


@fault("date-only", "END-08", "END SIO-04 SES-01")
class DateOnly(_Completion):
    changes: ClassVar = {"timestamp": "2025-11-20"}
