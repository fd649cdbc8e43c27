"""What all providers share: asking over HTTP, and telling in which way that failed."""

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.request import getproxies

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import httpx
import orjson

from chatproof.reference_server.providers.httptools_transport import HttptoolsTransport
from chatproof.reference_server.sessions import ChatMessage

LOOPBACK = re.compile(r"https?://(localhost|127(\.[0-9]+){3}|\[::1\])([:/?#]|$)", re.IGNORECASE)
BROKE_OFF = "The connection to the language model broke off."
UNAVAILABLE = "The language model is unavailable. Please try again later."
DECLINED = "The language model did not accept the request."
BUSY = "The language model is busy. Please try again later."
REFUSALS = {429: BUSY, **dict.fromkeys((401, 403), "The language model refused the server's credentials.")}

Reply = Generator[list[str], None, None]
Decode = Callable[[Iterable[bytes]], Iterator[list[bytes]]]  # the chunks, JSON each, in the bytes of an answer
Read = Callable[[Any], tuple[object, bool]]  # a chunk's text, and whether the reply ends there; it may fail in any way


class ProviderError(Exception):
    """The provider failed. The text is safe to show: no key, no address, nothing of its answer.

    `status` is that of the provider's HTTP answer, where the failure is one.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Usage:
    """Tokens as the provider's API counts them; None where it does not say, and the server counts itself."""

    tokens_in: int | None = None
    tokens_out: int | None = None


class ChatProvider(Protocol):
    """A language model."""

    name: str

    def stream(self, messages: Sequence[ChatMessage], usage: Usage) -> Reply:
        """The reply to a conversation, token by token, those together that came together; fills in `usage`.

        Ends only when the provider has said that the reply is complete; raises ProviderError
        otherwise. Closing the generator closes the connection to the provider.
        """

    def close(self) -> None:
        """Close idle connections."""


class HttpProvider:
    """The HTTP side of a provider. `timeout` in seconds: of silence, at any time."""

    def __init__(self, url: str, headers: dict[str, str], timeout: float) -> None:
        self._url = url
        self._client = httpx.Client(
            headers={**headers, "Accept-Encoding": "identity"},  # a compressor may hold tokens back
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)),
            # no proxy stands before this machine; before others one may
            transport=HttptoolsTransport() if LOOPBACK.match(url) or not getproxies() else None,
        )
        self.close = self._client.close

    def ask(self, path: str, body: dict[str, Any], decode: Decode, read: Read) -> Reply:
        """Ask, and give the reply; see ChatProvider.stream. Whatever goes wrong is a ProviderError."""
        try:
            with self._client.stream("POST", self._url + path, json=body) as response:
                if (status := response.status_code) != 200:
                    raise ProviderError(REFUSALS.get(status, UNAVAILABLE if status >= 500 else DECLINED), status)
                yield from _read_tokens(decode(response.iter_raw()), read)
        except httpx.TimeoutException as error:
            raise ProviderError("The language model did not answer in time.") from error
        except httpx.ConnectError as error:
            raise ProviderError("The language model cannot be reached.") from error
        except httpx.HTTPError as error:
            raise ProviderError(BROKE_OFF) from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # JSON, but not what the API documents
            raise ProviderError("The language model sent a malformed reply.") from error


def _read_tokens(pieces: Iterator[list[bytes]], read: Read) -> Reply:
    """The texts of a reply's chunks, those together that came together.

    What follows its end is read too, so that the connection can be used again; the reply no longer depends on any of
    it, so nothing there may fail it or hold it up. Raises ProviderError where the reply does not end.
    """
    for chunks in pieces:
        tokens = []
        finished = False
        try:
            for chunk in filter(bytes.strip, chunks):
                text, finished = read(_parse(chunk))
                if text is not None and not isinstance(text, str):
                    raise ValueError("not a text")
                if text:
                    tokens.append(text)
                if finished:
                    break
        finally:  # what came before a failure is part of the reply
            if tokens:
                yield tokens
        if finished:
            with gevent.Timeout(0.25, False), suppress(httpx.HTTPError, ValueError):
                deque(pieces, 0)
            return
    raise ProviderError(BROKE_OFF)


def _parse(data: bytes) -> Any:
    if data == b"[DONE]":
        raise ProviderError(BROKE_OFF)  # OpenAI's last word, but no finish_reason came before it
    chunk = orjson.loads(data)
    if chunk.get("error"):
        raise ProviderError("The language model reported an error.")
    return chunk
