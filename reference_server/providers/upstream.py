"""What all providers share: asking over HTTP, and telling in which way that failed."""

import ipaddress
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import httpx

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

    def stream(self, messages: Sequence[Message], usage: Usage) -> Generator[str, None, None]:
        """The reply to a conversation, token by token, none of them empty; fills in `usage`.

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
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
            trust_env=not _is_loopback(url),  # no proxy stands before this machine
        )

    @contextmanager
    def post(self, path: str, body: dict[str, Any]) -> Iterator[Iterator[bytes]]:
        """Ask, and give the body of a good answer in pieces. Whatever goes wrong, also within, is a ProviderError."""
        try:
            with self._client.stream("POST", self._url + path, json=body) as response:
                if response.status_code != 200:
                    raise ProviderError(_refusal(response.status_code), response.status_code)
                yield response.iter_bytes()
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


def finish(rest: Iterator[str]) -> Iterator[str]:
    """What follows a complete reply, to its end, so that the connection can be used again.

    The reply no longer depends on any of it, so nothing here may fail it or hold it up.
    """
    with gevent.Timeout(GOODBYE_SECONDS, False), suppress(httpx.HTTPError, ValueError):
        yield from rest


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
