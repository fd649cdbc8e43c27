"""What all providers share: asking over HTTP, and telling in which way that failed."""

import ipaddress
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import httpx

from reference_server.providers.transport import Transport
from reference_server.sessions import Message

CONNECT_SECONDS = 10.0
GOODBYE_SECONDS = 0.25  # how long a complete reply may take to end its HTTP response
MALFORMED = "The language model sent a malformed reply."
BROKE_OFF = "The connection to the language model broke off."
REPORTED = "The language model reported an error."
REFUSALS = {
    401: "The language model refused the server's credentials.",
    403: "The language model refused the server's credentials.",
    429: "The language model is busy. Please try again later.",
}


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


class Provider(Protocol):
    """A language model."""

    name: str

    def stream(self, messages: Sequence[Message], usage: Usage) -> Generator[list[str], None, None]:
        """The reply to a conversation, token by token, those together that came together; fills in `usage`.

        Ends only when the provider has said that the reply is complete; raises ProviderError
        otherwise. Closing the generator closes the connection to the provider.
        """

    def close(self) -> None:
        """Close idle connections."""


class Upstream:
    """The HTTP side of one provider. `timeout` in seconds: of silence, at any time."""

    def __init__(self, url: str, headers: dict[str, str], timeout: float) -> None:
        self._url = url
        self._client = httpx.Client(
            headers={**headers, "Accept-Encoding": "identity"},  # a compressor may hold tokens back
            timeout=httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
            # no proxy stands before this machine; before others one may
            transport=Transport() if _is_loopback(url) or not getproxies() else None,
        )

    @contextmanager
    def post(self, path: str, body: dict[str, Any]) -> Iterator[Iterator[bytes]]:
        """Ask, and give the body of a good answer in pieces. Whatever goes wrong, also within, is a ProviderError."""
        try:
            with self._client.stream("POST", self._url + path, json=body) as response:
                if response.status_code != 200:
                    raise ProviderError(_refusal(response.status_code), response.status_code)
                yield response.iter_raw()
        except httpx.TimeoutException as error:
            raise ProviderError("The language model did not answer in time.") from error
        except httpx.ConnectError as error:
            raise ProviderError("The language model cannot be reached.") from error
        except httpx.HTTPError as error:
            raise ProviderError(BROKE_OFF) from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # JSON, but not what the API documents
            raise ProviderError(MALFORMED) from error

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()


def read_tokens(
    pieces: Iterator[list[bytes]], read: Callable[[bytes], tuple[str, bool]]
) -> Generator[list[str], None, None]:
    """The texts of a reply's chunks, those together that came together. `read` gives a text, and whether it ends there.

    What follows is read to its end, so that the connection can be used again; the reply no longer depends on any of
    it, so nothing there may fail it or hold it up. Raises ProviderError where the reply does not end.
    """
    for chunks in pieces:
        tokens = []
        finished = False
        try:
            for chunk in chunks:
                text, finished = read(chunk)
                if text:
                    tokens.append(text)
                if finished:
                    break
        finally:  # what came before a failure is part of the reply
            if tokens:
                yield tokens
        if finished:
            with gevent.Timeout(GOODBYE_SECONDS, False), suppress(httpx.HTTPError, ValueError):
                deque(pieces, 0)
            return
    raise ProviderError(BROKE_OFF)


def checked(text: object) -> str:
    """A text as providers send it; None is as good as none. Raises ValueError for anything that is no text."""
    if text is None:
        return ""
    if not isinstance(text, str):
        raise ValueError("not a text")
    text.encode()  # raises UnicodeEncodeError, a ValueError, for half a surrogate pair
    return text


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
