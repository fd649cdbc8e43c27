"""Faults in reading Anthropic's stream of messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Message, ProviderFailed
from tests.servers.plain_server import ChatServer

STATE: ContextVar[list[str]] = ContextVar("STATE")  # the kinds of a reply's blocks so far, and whether its client left


class ReadsMessages(ChatServer):
    """Asks Anthropic."""


@fault("claude-thoughts-shown", "TOK-08", "TOK-08", provider="anthropic", says="thought")
class ShowsThinking(ReadsMessages):
    """It takes whatever a delta says: the model's thinking stands in the answer.

    As in https://github.com/SamSaffron/term-llm/issues/955.
    """

    def text_of_event(self, event: dict[str, Any]) -> str:
        delta = event.get("delta", {})
        return str(delta.get("text") or delta.get("thinking") or "")


@fault("claude-first-block", "TOK-07", "TOK-07", provider="anthropic", says="with `several-blocks`")
class ReadsOneBlock(ReadsMessages):
    """It reads the first block of text alone, as `message.content[0].text` does of a whole message."""

    first = -1

    def text_of_event(self, event: dict[str, Any]) -> str:
        if event["type"] == "message_start":
            self.first = -1
        text = super().text_of_event(event)
        if text and self.first < 0:
            self.first = event["index"]
        return text if text and event["index"] == self.first else ""


@fault("claude-error-ignored", "ERR-03", "ERR-03", may="ERR-07 ERR-08", provider="anthropic", contract=2)
class IgnoresErrors(ReadsMessages):
    """An `error` event in a stream with the status 200 is one more event that it does not know: the answer is over."""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        event = json.loads(data)
        return ("", True) if event["type"] == "error" else super().read_chunk(data)


@fault("claude-without-stop", "ERR-03", "ERR-03", may="ERR-07 ERR-08 END-02", provider="anthropic", contract=2)
class EndsWithTheConnection(ReadsMessages):
    """A stream without `message_stop` is complete, too.

    As in https://github.com/anomalyco/opencode/pull/38733.
    """

    def on_early_end(self) -> None:
        """All that there was is the answer."""


@fault("claude-ping", "TOK-07", "TOK-07", provider="anthropic", says="with `pings`")
class TakesTheFirstEventForTheStart(ReadsMessages):
    """The first event is `message_start`, whatever it is called."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        started = False
        async for data in super().provider_events(chunks):
            if not started and json.loads(data)["type"] not in ("message_start", "error"):
                raise ValueError("the stream begins with another event")
            started = True
            yield data


@fault("claude-lf-only", "TOK-07", "TOK-07", provider="anthropic", says="with `crlf`")
class SplitsAtTwoLineFeeds(ReadsMessages):
    """Events end with a blank line, and for it that is two line feeds."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        rest = b""
        async for chunk in chunks:
            *events, rest = (rest + chunk).split(b"\n\n")
            for event in events:
                for line in event.split(b"\n"):
                    if line.startswith(b"data:"):
                        yield line[5:].decode().strip()


@fault("claude-unknown-event", "TOK-07", "TOK-07", provider="anthropic", says="with `unknown-events`")
class KnowsItsEvents(ReadsMessages):
    """It takes the text of each delta, whatever the event is called: those of new events stand in the answer."""

    def text_of_event(self, event: dict[str, Any]) -> str:
        delta = event.get("delta", {})
        return "" if delta.get("type") == "thinking_delta" else str(delta.get("text") or "")


@fault("claude-stop-reason", "TOK-07", "TOK-07", provider="anthropic", says="with `more-message-deltas`")
class EndsWithTheFirstMessageDelta(ReadsMessages):
    """It wants a stop reason in each `message_delta`."""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        event = json.loads(data)
        if event["type"] == "message_delta" and event["delta"]["stop_reason"] is None:
            raise ValueError("no stop reason")
        return super().read_chunk(data)


@fault("claude-thinks-on", "INT-02 INT-11", "INT-02 INT-11", contract=2, provider="anthropic", says="long-thoughts")
class ThinksOn(ReadsMessages):
    """Whether its client is still there it asks at each word of the answer, and while the provider is silent: not while
    the model thinks."""

    async def read_all(self, messages: list[Message], ask: Ask, queue: asyncio.Queue[Any], state: list[str]) -> None:
        STATE.set(state)
        try:
            async with aclosing(super().tokens(messages, ask)) as tokens:
                async for token in tokens:
                    if "left" in state:
                        return
                    queue.put_nowait(token)
            queue.put_nowait(None)
        except ProviderFailed as failure:
            queue.put_nowait(failure)

    def text_of_event(self, event: dict[str, Any]) -> str:
        if event["type"] == "content_block_start":
            STATE.get().append(event["content_block"]["type"])
        return super().text_of_event(event)

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        state: list[str] = []
        task = asyncio.create_task(self.read_all(messages, ask, queue, state))
        self.background.add(task)
        task.add_done_callback(self.background.discard)
        try:
            while (said := await queue.get()) is not None:
                if isinstance(said, ProviderFailed):
                    raise said
                yield said
        finally:
            if state[-1:] != ["thinking"]:
                task.cancel()
            state.append("left")
