"""Faults in what becomes of texts: long messages and replies, odd tokens, the provider's other forms and endings."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, ClassVar

from aiohttp import web

from tests.servers.broken.fault import Crash, fault
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Session
from tests.servers.plain_server import ChatServer

# -- messages


@fault("message-cut-at-500", "REQ-07", "REQ-07", may="REQ-11", says="it ends after 5", contract=2)
class CutsMessages(ChatServer):
    """Without a word."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        return super().prompt(session, message[:500])


@fault("emoji-replaced", "REQ-07", "REQ-07", says="became '?'", contract=2)
class ReplacesEmoji(ChatServer):
    """As a database does whose characters have three bytes."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        return super().prompt(session, re.sub(r"[\U00010000-\U0010ffff]", "?", message))


@fault("refusal-beside-loss", "REQ-07", "REQ-07", says="'`' is missing", contract=2)
class RefusesAndLoses(ChatServer):
    """It refuses an apostrophe, and loses backticks."""

    def is_message(self, text: str) -> bool:
        return super().is_message(text) and "O'Neill" not in text

    def prompt(self, session: Session, message: str) -> list[Message]:
        return super().prompt(session, message.replace("`", ""))


@fault("middle-out", "REQ-11", "REQ-11", says="a message of 16 KB over sse")
class LeavesOutTheMiddle(ChatServer):
    """Of messages that it takes for too long."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        if len(message) > 8_000:
            message = f"{message[:4_000]} … {message[-4_000:]}"
        return super().prompt(session, message)


@fault("socket-message-cut", "REQ-11", "REQ-11", says="it ends after 10000 of its 16")
class CutsMessagesOfSockets(ChatServer):
    """At ten thousand characters."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if over == "socket" and isinstance(body, dict) and isinstance(body.get("message"), str):
            body = {**body, "message": body["message"][:10_000]}
        return super().read_ask(body, over, default_session)


@fault(
    "large-message-crash",
    "REQ-11",
    "REQ-11",
    says="a message of 64 KB over sse: the provider got no request with this message: status 500",
)
class CrashesOnLargeMessages(ChatServer):
    """A column of 32,000 characters, of the table in which streams are kept."""

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        if len(ask.message) > 32_000:
            raise Crash("value too long for type character varying(32000)")
        return await super().send_stream(request, ask)


# -- large replies


class _Tokens(ChatServer):
    """Changes the tokens of a reply."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        said, last = "", ""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                if passed := self.passed(token, last, said):
                    yield passed
                said, last = said + token, token

    def passed(self, token: str, last: str, said: str) -> str:
        """What becomes of a token; `last` is the one before, `said` are all before."""
        return token


@fault("reply-cut-at-32-kb", "TOK-06", "TOK-06", says="it ends after 32768 of its 65536 characters")
class CutsReplies(_Tokens):
    def passed(self, token: str, last: str, said: str) -> str:
        return token[: max(0, 32_768 - len(said))]


@fault("token-cut-at-4-kb", "TOK-06", "TOK-06", says="one token of 8 KB, over")
class CutsTokens(_Tokens):
    def passed(self, token: str, last: str, said: str) -> str:
        return token[:4_096]


@fault("short-writes", "TOK-06", "TOK-06", says="64 KB in 32 tokens of 2 KB, over sse")
class WritesShort(ChatServer):
    """One send for each event; the socket's buffer takes no more than 32 KB at once, and the rest is forgotten."""

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        await super().write(response, data[: 1 << 15])


@fault("short-frames", "TOK-06", "TOK-06", says="64 KB in 32 tokens of 2 KB, over")
class DropsLongFrames(ChatServer):
    """A token's length in a frame has two bytes: what is longer goes nowhere."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "token" not in event or len(self.dumps(event)) < 1 << 16:
            await super().emit(sid, event, ask)


@fault("full-queue", "TOK-06", "TOK-06", says="3,000 tokens, over")
class DropsWhatDoesNotFit(ChatServer):
    """A queue of 2,048 events for each socket."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if event.get("count", 0) <= 2_048:
            await super().emit(sid, event, ask)


@fault("line-buffer", "TOK-06", "TOK-06", says="one token of 8 KB, over")
class DropsLongLines(ChatServer):
    """Of the provider's stream."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        async with aclosing(super().provider_events(chunks)) as events:
            async for data in events:
                if len(data) < 8_192:
                    yield data


# -- the forms of the provider's stream


@fault("only-lf", "TOK-07", "TOK-07", says="with `crlf`")
class SplitsAtBlankLines(ChatServer):
    """Two line feeds, and nothing else, end an event."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        rest = b""
        async for chunk in chunks:
            *events, rest = (rest + chunk).split(b"\n\n")
            for event in events:
                if b"data:" in event:
                    yield event.partition(b"data:")[2].decode().strip()


@fault("one-event-a-read", "TOK-07", "TOK-07", says="the provider's stream with")
class ReadsOneEventAtATime(ChatServer):
    """What one read of the connection holds is one event; pieces are put together, but what follows is left."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        rest = b""
        async for chunk in chunks:
            rest += chunk
            if rest.endswith(b"\n\n"):
                data = rest.partition(b"data:")[2].partition(b"\n\n")[0]
                yield b"[DONE]".decode() if b"[DONE]" in rest else data.decode().strip()
                rest = b""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        return ("", True) if data == "[DONE]" else (super().read_chunk(data)[0], False)


@fault("needs-a-choice", "TOK-07", "TOK-07", says="with `empty-choices`")
class NeedsAChoice(ChatServer):
    def read_chunk(self, data: str) -> tuple[str, bool]:
        if '"choices":[]' in data:
            raise IndexError("list index out of range")
        return super().read_chunk(data)


@fault("stops-at-an-empty-delta", "TOK-07", "TOK-07", says="with `empty-deltas`")
class StopsAtAnEmptyDelta(ChatServer):
    """A delta without a text, once there was one, is the end."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        has_begun = False
        async with aclosing(super().provider_events(chunks)) as events:
            async for data in events:
                is_empty = '"content":""' in data
                has_begun |= '"content":' in data and not is_empty
                yield data.replace('"finish_reason":null', '"finish_reason":"stop"') if is_empty and has_begun else data


@fault("scanner", "TOK-07", "TOK-07", says="with `long-lines`")
class ReadsLinesOf64Kb(ChatServer):
    """As Go's bufio.Scanner: a longer line ends the stream."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        async with aclosing(super().provider_events(chunks)) as events:
            async for data in events:
                if len(data) > 1 << 16:
                    return
                yield data


@fault("needs-parts", "TOK-07", "TOK-07", provider="gemini", says="with `no-parts`")
class NeedsParts(ChatServer):
    """In every candidate of Gemini's."""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        if '"parts"' not in data:
            raise KeyError("parts")
        return super().read_chunk(data)


class Thinks(ChatServer):
    """Asks a local model that thinks aloud."""

    def question(self, messages: list[Message]) -> dict[str, Any]:
        return {**super().question(messages), "model": "qwen3:8b"}

    def read_chunk(self, data: str) -> tuple[str, bool]:
        text, finished = super().read_chunk(data)
        delta = {} if '"choices":[]' in data else json.loads(data)["choices"][0]["delta"]
        return self.with_thought(delta.get("reasoning") or "", text), finished

    def with_thought(self, thought: str, text: str) -> str:
        """What is said, of a delta's two texts."""
        return text


@fault("thoughts-said", "TOK-08", "TOK-07 TOK-08", provider="local", says="the reply shows the model's thoughts")
class SaysThoughts(Thinks):
    def with_thought(self, thought: str, text: str) -> str:
        return thought + text


@fault("thoughts-kept", "TOK-08", "TOK-08", provider="local", says="the next request tells the provider")
class KeepsThoughts(Thinks):
    """In the conversation, though nobody sees them."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.thoughts: defaultdict[object, str] = defaultdict(str)  # by the task that writes a reply

    def with_thought(self, thought: str, text: str) -> str:
        self.thoughts[asyncio.current_task()] += thought
        return text

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, f"{self.thoughts[asyncio.current_task()]}\n{answer}")


# -- texts that filters eat


@fault("blank-tokens-dropped", "TOK-09", "TOK-09", says="tokens that are blank")
class DropsBlankTokens(_Tokens):
    def passed(self, token: str, last: str, said: str) -> str:
        return token if token.strip() else ""


@fault("same-tokens-dropped", "TOK-09", "TOK-09", says="digits that repeat")
class DropsRepeatedTokens(_Tokens):
    """A token like the one before must be a replay."""

    def passed(self, token: str, last: str, said: str) -> str:
        return "" if token == last else token


@fault("overlap-dropped", "TOK-09", "TOK-09", says="tokens that overlap")
class DropsOverlaps(_Tokens):
    """What a token repeats of the end of the one before, as if each held the end of the last."""

    def passed(self, token: str, last: str, said: str) -> str:
        longest = min(len(token), len(last))
        return token[next(size for size in range(longest, -1, -1) if last.endswith(token[:size])) :]


@fault("taken-for-snapshots", "TOK-09", "TOK-09", says="the beginning of the text: 'ha' is missing")
class TakesTokensForSnapshots(_Tokens):
    """A token that begins with all the text so far must be a snapshot of it."""

    def passed(self, token: str, last: str, said: str) -> str:
        return token.removeprefix(said)


@fault("false-tokens-dropped", "TOK-09", "TOK-09", says="a token `0`: '0' is missing")
class DropsFalseTokens(_Tokens):
    """As `if ($token)` does in PHP."""

    def passed(self, token: str, last: str, said: str) -> str:
        return "" if token == "0" else token


@fault("byte-order-marks-dropped", "TOK-09", "TOK-09", says="a byte order mark")
class DropsByteOrderMarks(ChatServer):
    """From what it sends: they cannot be seen."""

    def dumps(self, event: Event) -> str:
        return super().dumps(event).replace("\ufeff", "")

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "token" in event:
            event = {**event, "token": event["token"].replace("\ufeff", "")}
        await super().emit(sid, event, ask)


class _HoldsTags(ChatServer):
    tag: ClassVar = re.compile(r"<[^>]*$")

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        held = ""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                held += token
                if not (found := self.tag.search(held)):
                    yield held
                    held = ""
                elif found.start():
                    yield held[: found.start()]
                    held = held[found.start() :]


@fault("tags-held", "TOK-09", "TOK-09", says="before '<")
class HoldsTags(_HoldsTags):
    """Until they are whole, which they may never be."""


@fault("thinking-tags-held", "TOK-09", "TOK-09", says="a reply with `<` at its end")
class HoldsThinkingTags(_HoldsTags):
    """Only those that may become `<think>`."""

    tag = re.compile(r"<(?:t(?:h(?:i(?:n(?:k)?)?)?)?)?$")


@fault("ends-at-nul", "TOK-10", "TOK-10", says="it ends after 6")
class EndsAtNul(_Tokens):
    """As a C string does."""

    def passed(self, token: str, last: str, said: str) -> str:
        return "" if "\0" in said else token.partition("\0")[0]


@fault("nul-stripped", "TOK-10", "TOK-10", says="is missing; first behind 'A zero'")
class StripsNul(_Tokens):
    """For the sake of a database that stores none."""

    def passed(self, token: str, last: str, said: str) -> str:
        return token.replace("\0", "")


# -- how the provider ends its reply


@fault("silent-when-empty", "END-09", "END-09", says="no terminal event")
class SaysNothingOfNothing(ChatServer):
    """Over SSE, a reply without tokens has no completion either."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if ask.over != "sse" or event.get("tokens") != 0:
                    yield event


@fault("division-by-zero", "END-09", "END-09", says="no terminal event")
class DividesByZero(ChatServer):
    """Over SSE, for the average length of a token; the exception ends the connection."""

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        average = len(partial) / count if ask.over == "sse" else 0
        return {**super().completion(count, partial, ask, first_at), "average": average}


@fault("silent-refusal", "END-09", "END-09", says="after refusal")
class ForgetsRefusals(ChatServer):
    """Over SSE, a refusal, which is no text, leaves the server without a thing to send, not even a completion."""

    has_refused = False

    def read_chunk(self, data: str) -> tuple[str, bool]:
        self.has_refused |= '"refusal":"' in data
        return super().read_chunk(data)

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        if self.has_refused and ask.over == "sse":
            raise asyncio.CancelledError
        return super().completion(count, partial, ask, first_at)


@fault("made-up-answer", "END-09", "END-09", says="a token that the provider never said")
class MakesUpAnAnswer(ChatServer):
    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        count = 0
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                count += 1
                yield token
        if not count:
            yield "Sorry, I do not know."


@fault("two-ends-of-length", "END-10", "END-10", says="after the terminal event")
class WarnsOfLength(ChatServer):
    """An error says that the reply was cut off; the completion follows all the same."""

    reason = ""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        self.reason = "length" if '"length"' in data else ""
        return super().read_chunk(data)

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if "done" in event and self.reason:
                    yield {"error": "The reply was cut off."}
                yield event


@fault("retracted", "END-10", "END-10", says="after content-filter")
class Retracts(ChatServer):
    """A reply is passed on once its end is known, and not at all if that is the filter."""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        if '"content_filter"' in data:
            raise ProviderFailed("This answer was withheld.")
        return super().read_chunk(data)

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            for token in [token async for token in tokens]:
                yield token


@fault("preview", "END-12", "END-12", says="it ends after 100")
class KeepsAPreview(ChatServer):
    def full_response(self, partial: str) -> str:
        return partial[:100]


@fault("collapsed", "END-12", "END-12", says="its white space is not as said")
class CollapsesFullResponse(ChatServer):
    def full_response(self, partial: str) -> str:
        return " ".join(partial.split())


@fault("column", "END-12", "END-12", says="it ends after 32000")
class KeepsAColumn(ChatServer):
    """Of 32,000 characters."""

    def full_response(self, partial: str) -> str:
        return partial[:32_000]


@fault("unknown-events-skipped", "ERR-08", "ERR-08", says="and the usual end mark")
class SkipsUnknownEvents(ChatServer):
    """What has no choices is not for it, and the end mark is the end."""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        if data == "[DONE]":
            return "", True
        return super().read_chunk(data) if '"choices"' in data else ("", False)


@fault("trusts-the-status", "ERR-08", "ERR-08", says="after error-with-200")
class TrustsTheStatus(ChatServer):
    """Whatever came with 200 and ended was a reply, if only an empty one."""

    def on_early_end(self) -> None:
        """It is over."""


@fault("error-said", "ERR-08", "ERR-08", says="The model reported an error.")
class SaysTheError(SkipsUnknownEvents):
    """As text."""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        if '"error"' in data:
            return " (The model reported an error.)", False
        return super().read_chunk(data)


# -- long conversations


@fault("last-six", "SES-17", "SES-17", says="the tenth request lacks 13 messages of 19")
class KeepsTheLastSix(ChatServer):
    def prompt(self, session: Session, message: str) -> list[Message]:
        return super().prompt(session, message)[-6:]


@fault("first-thousand", "SES-17", "SES-17", says="the tenth request lacks")
class KeepsTheFirstThousand(ChatServer):
    """Characters of a conversation; what is said later is not kept."""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        if sum(len(one["content"]) for one in session.messages) < 1_000:
            super().keep(session, ask, answer)


@fault("ten-messages-at-most", "SES-17", "SES-17", says="exchange 6 of ten failed: error event")
class TenMessagesAtMost(ChatServer):
    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        if len(self.session_of(ask).messages) >= 10:
            yield {"error": "This conversation is too long."}
            return
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                yield event


@fault("chat-drops-repeats", "TOK-09", "CHAT TOK-09", says="of /api/chat: 'very ' is missing")
class ChatDropsRepeats(ChatServer):
    """/api/chat joins tokens without those like the one before."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        last = ""
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if ask.over != "chat" or event.get("token") != last:
                    yield event
                last = event.get("token", "")
