"""Where the tokens come from: an OpenAI-compatible service.

The rest of the server knows only `Provider`; another service is another class with `stream`.
"""

import ipaddress
import json
import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from typing import Protocol
from urllib.parse import urlsplit

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import httpx

from reference_server.config import Config
from reference_server.sessions import Message
from reference_server.sse import decode_events

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
GOODBYE_SECONDS = 0.25  # how long a complete reply may take to end its HTTP response
MALFORMED = "The language model sent a malformed reply."
BROKE_OFF = "The connection to the language model broke off."
REFUSALS = {
    401: "The language model refused the server's credentials.",
    403: "The language model refused the server's credentials.",
    429: "The language model is busy. Please try again later.",
}


class ProviderError(Exception):
    """The provider failed. The text is safe to show: no key, no address, nothing of its answer."""


class Provider(Protocol):
    """A language model."""

    name: str

    def stream(self, messages: Sequence[Message]) -> Generator[str, None, None]:
        """The reply to a conversation, token by token, none of them empty.

        Ends only when the provider has said that the reply is complete; raises ProviderError
        otherwise. Closing the generator closes the connection to the provider.
        """

    def close(self) -> None:
        """Close idle connections."""


class OpenAI:
    """The Chat Completions API."""

    name = "openai"

    def __init__(self, config: Config) -> None:
        self._url = f"{config.openai_base_url}/chat/completions"
        self._model = config.openai_model
        self._client = httpx.Client(
            headers={
                "Authorization": f"Bearer {config.openai_api_key}",
                "Accept": "text/event-stream",
                "Accept-Encoding": "identity",  # a compressor may hold tokens back
            },
            timeout=httpx.Timeout(config.provider_timeout, connect=min(CONNECT_SECONDS, config.provider_timeout)),
            limits=httpx.Limits(max_connections=1000, max_keepalive_connections=100),
            trust_env=not _is_loopback(config.openai_base_url),  # no proxy stands before this machine
        )

    def stream(self, messages: Sequence[Message]) -> Generator[str, None, None]:
        """See Provider."""
        request = {
            "model": self._model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        try:
            with self._client.stream("POST", self._url, json=request) as response:
                if response.status_code != 200:
                    raise ProviderError(_refusal(response.status_code))
                events = decode_events(response.iter_bytes())
                for data in events:
                    text, finished = _read_chunk(data)
                    if text:
                        yield text
                    if finished:
                        break
                else:
                    raise ProviderError(BROKE_OFF)
                _read_rest(events)
        except httpx.TimeoutException as error:
            raise ProviderError("The language model did not answer in time.") from error
        except httpx.ConnectError as error:
            raise ProviderError("The language model cannot be reached.") from error
        except httpx.HTTPError as error:
            raise ProviderError(BROKE_OFF) from error
        except ValueError as error:
            raise ProviderError(MALFORMED) from error

    def close(self) -> None:
        """See Provider."""
        self._client.close()


def _read_chunk(data: str) -> tuple[str, bool]:
    """The text of one chunk, and whether it is the reply's last. Raises ValueError, ProviderError."""
    if data == "[DONE]":
        raise ProviderError(BROKE_OFF)  # without a finish_reason before it
    chunk = json.loads(data)
    if not isinstance(chunk, dict):
        raise ValueError("not an object")
    if chunk.get("error"):
        raise ProviderError("The language model reported an error.")
    match chunk.get("choices"):
        case []:  # an accounting chunk
            return "", False
        case [{"delta": {**delta}, **choice}, *_]:
            text = delta.get("content")
            if text is None:  # such as the first chunk, which only names the role
                text = ""
            if isinstance(text, str):
                text.encode()  # raises UnicodeEncodeError, a ValueError, for half a surrogate pair
                return text, choice.get("finish_reason") is not None
    raise ValueError("not a chunk of a chat completion")


def _read_rest(events: Iterator[str]) -> None:
    """After a complete reply: read the accounting and the end, so that the connection can be used again.

    The reply no longer depends on any of it, so nothing here may fail it or hold it up.
    """
    with gevent.Timeout(GOODBYE_SECONDS, False), suppress(httpx.HTTPError, ValueError):
        for data in events:
            chunk = json.loads(data) if data != "[DONE]" else None
            if isinstance(chunk, dict) and chunk.get("usage"):
                log.info("The provider counted %s", chunk["usage"])


def _refusal(status: int) -> str:
    if status in REFUSALS:
        return REFUSALS[status]
    if status >= 500:
        return "The language model is unavailable. Please try again later."
    return "The language model did not accept the request."


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
