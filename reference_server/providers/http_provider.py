"""What all providers share: the HTTP request, the stream of its response, and errors that are safe to show."""

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
BROKE_OFF = "The connection to the language model was lost."
UNAVAILABLE = "The language model is unavailable. Please try again later."
DECLINED = "The language model rejected the request."
BUSY = "The language model is busy. Please try again later."
REFUSALS = {429: BUSY, **dict.fromkeys((401, 403), "The language model rejected the server's credentials.")}

Reply = Generator[list[str], None, None]
Decode = Callable[[Iterable[bytes]], Iterator[list[bytes]]]  # response bytes to JSON chunks
Read = Callable[[Any], tuple[object, bool]]  # a chunk to its text and whether it is the last; may raise


class ProviderError(Exception):
    """The provider failed. The text is safe to show to clients: it holds no key, address or provider output."""


class ProviderRefused(ProviderError):
    """The provider did not begin a reply, so that nothing is to be paid. `status`: its HTTP status, 0 without one."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Usage:
    """Token counts from the provider. None: the provider gave no count, so the server counts itself."""

    tokens_in: int | None = None
    tokens_out: int | None = None


class ChatProvider(Protocol):
    """A language model, behind whatever API."""

    name: str

    def stream(self, messages: Sequence[ChatMessage], usage: Usage) -> Reply:
        """Stream the reply to a conversation. Yields lists of tokens that arrived together; sets `usage`.

        Ends only after the provider has marked the reply as complete; otherwise raises ProviderError. Closing the
        generator closes the connection to the provider.
        """

    def close(self) -> None:
        """Close idle connections."""


class HttpProvider:
    """A provider over HTTP. `timeout`: seconds without data, at any time, after which a reply fails."""

    def __init__(self, url: str, headers: dict[str, str], timeout: float) -> None:
        self._url = url
        self._client = httpx.Client(
            headers={**headers, "Accept-Encoding": "identity"},  # compression may delay tokens
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)),
            # a request to this machine goes through no proxy; another may need one
            transport=HttptoolsTransport() if LOOPBACK.match(url) or not getproxies() else None,
        )
        self.close = self._client.close

    def ask(self, path: str, body: dict[str, Any], decode: Decode, read: Read) -> Reply:
        """Send the request and stream the reply; see ChatProvider.stream. Every failure is a ProviderError."""
        try:
            with self._client.stream("POST", self._url + path, json=body) as response:
                if (status := response.status_code) != 200:
                    raise ProviderRefused(REFUSALS.get(status, UNAVAILABLE if status >= 500 else DECLINED), status)
                yield from _read_tokens(decode(response.iter_raw()), read)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ProviderRefused("Cannot connect to the language model.") from error
        except httpx.TimeoutException as error:
            raise ProviderError("The language model did not answer in time.") from error
        except httpx.HTTPError as error:
            raise ProviderError(BROKE_OFF) from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # JSON that the API does not document
            raise ProviderError("The language model sent a malformed reply.") from error


def _read_tokens(pieces: Iterator[list[bytes]], read: Read) -> Reply:
    """Yield the texts of a reply's chunks, in lists of those that arrived together.

    After the end mark, the rest of the response is read for 0.25 s at most, so that the connection can be used again;
    errors in it do not matter. Raises ProviderError if the response ends without an end mark.
    """
    for chunks in pieces:
        tokens = []
        finished = False
        try:
            for chunk in filter(bytes.strip, chunks):
                text, finished = read(_parse(chunk))
                if text is not None and not isinstance(text, str):
                    raise ValueError("the text is not a string")
                if text:
                    tokens.append(text)
                if finished:
                    break
        finally:  # tokens before a failure are part of the reply
            if tokens:
                yield tokens
        if finished:
            with gevent.Timeout(0.25, False), suppress(httpx.HTTPError, ValueError):
                deque(pieces, 0)
            return
    raise ProviderError(BROKE_OFF)


def refuse_tools(asked: object) -> None:
    """Raise ProviderError if a chunk asks for a tool."""
    if asked:
        raise ProviderError("The language model asked for a tool, and this server has none.")


def _parse(data: bytes) -> Any:
    if data == b"[DONE]":
        raise ProviderError(BROKE_OFF)  # the end of OpenAI's stream, but without a finish_reason
    chunk = orjson.loads(data)
    if chunk.get("error"):
        raise ProviderError("The language model reported an error.")
    return chunk
