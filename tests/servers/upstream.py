"""The plain server's way to its provider: OpenAI's dialect, as a local model speaks it too, Gemini's or Anthropic's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import aiohttp

from tests.servers.parts import Ask, Config, Message, ProviderFailed

REST = 0.05  # seconds


class Upstream:
    """Asks for replies. What it is part of is a server."""

    config: Config
    upstream: aiohttp.ClientSession
    hurried = False  # judged with shorter waits: see `judge_process`

    def __init__(self, config: Config) -> None:
        self.config = config

    async def serve(self, port: int) -> None:
        """Serve until the process is ended."""
        await self.start(port)
        await asyncio.Event().wait()

    async def start(self, port: int = 0) -> int:
        """Listen on `port` of 127.0.0.1 (0: one that the system picks), and return the port."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop listening, and end every reply that is under way."""
        raise NotImplementedError

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        """What the provider says. Raises ProviderFailed."""
        try:
            url, body = self.config.url, self.question(messages)
            async with self.upstream.post(url, json=body, headers=self.credentials()) as response:
                if response.status != 200:
                    raise ProviderFailed(await self.refusal_text(response))
                async with aclosing(self.provider_events(response.content.iter_any())) as events:
                    async for data in events:
                        text, finished = self.read_chunk(data)
                        if text:
                            yield text
                        if finished:
                            await self.read_rest(response)
                            return
                self.on_early_end()
        except TimeoutError as error:
            raise ProviderFailed("The language model did not answer in time.") from error
        except aiohttp.ClientError as error:
            raise ProviderFailed("The connection to the language model failed.") from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ProviderFailed("The language model's answer made no sense.") from error

    async def refusal_text(self, response: aiohttp.ClientResponse) -> str:
        return f"The language model answered with status {response.status}."

    def question(self, messages: list[Message]) -> dict[str, Any]:
        if self.config.provider == "anthropic":
            said = [one for one in messages if one["content"].strip()]
            thinks = {"type": "enabled", "budget_tokens": 1_024}
            rest = {"max_tokens": 32_000, "thinking": thinks, "stream": True}
            return {"model": "claude-haiku-4-5", "messages": said, **rest}
        if self.config.provider != "gemini":
            return {"model": "gpt-4o-mini", "messages": messages, "stream": True}
        names = {"user": "user", "assistant": "model"}
        return {"contents": [{"role": names[one["role"]], "parts": [{"text": one["content"]}]} for one in messages]}

    def credentials(self) -> dict[str, str]:
        if self.config.provider == "gemini":
            return {"x-goog-api-key": self.config.key}
        if self.config.provider == "anthropic":
            return {"x-api-key": self.config.key, "anthropic-version": "2023-06-01"}
        return {"Authorization": f"Bearer {self.config.key}"}

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        """What stands behind `data:`."""
        rest = b""
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"data:"):
                    yield line[5:].decode().strip()

    def read_chunk(self, data: str) -> tuple[str, bool]:
        """The text in a chunk, and whether it is the last."""
        if data == "[DONE]":
            raise ProviderFailed("The language model broke off.")
        chunk = json.loads(data)
        if "error" in chunk:
            raise ProviderFailed("The language model reported an error.")
        if self.config.provider == "gemini":
            candidate = chunk["candidates"][0]
            text = "".join(part.get("text", "") for part in candidate.get("content", {}).get("parts", []))
            return text, "finishReason" in candidate
        if self.config.provider == "anthropic":
            return self.text_of_event(chunk), chunk["type"] == "message_stop"
        if not chunk["choices"]:
            return "", False
        choice = chunk["choices"][0]
        return choice["delta"].get("content") or "", choice["finish_reason"] is not None

    def text_of_event(self, event: dict[str, Any]) -> str:
        """What one of Anthropic's events says of the answer."""
        delta = event.get("delta", {})
        return str(delta["text"]) if event["type"] == "content_block_delta" and delta["type"] == "text_delta" else ""

    async def read_rest(self, response: aiohttp.ClientResponse) -> None:
        """Read what follows the last chunk, if it is there: then the connection can be used again."""
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(REST):
                await response.read()

    def on_early_end(self) -> None:
        raise ProviderFailed("The language model broke off.")
