"""One reply as a sequence of events: any number of tokens, then exactly one terminal event."""

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent.queue import Queue  # type: ignore[import-untyped]

from reference_server import tokens
from reference_server.auth import ANONYMOUS
from reference_server.config import Config
from reference_server.providers.upstream import Provider, ProviderError, Usage
from reference_server.sessions import Message, Name, Sessions, StoreError, timestamp

log = logging.getLogger(__name__)

Event = dict[str, object]
SHUTTING_DOWN = "The server is shutting down."
MAX_WAITING = 256  # events; beyond that a reply waits for its reader


class Replies:
    """All replies of the server."""

    def __init__(self, config: Config, provider: Provider, sessions: Sessions) -> None:
        self._config = config
        self._provider = provider
        self._sessions = sessions
        self._running: set[gevent.Greenlet] = set()
        self._is_closing = False

    def generate(self, name: Name, message: str) -> Generator[Event, None, None]:
        """Answer a message, and remember both once the reply is complete.

        Each event is yielded as soon as there is one. Close the generator, or kill the greenlet that
        waits in it, to stop the provider: its connection is closed at once and nothing is remembered.
        """
        started = time.monotonic()
        greenlet = gevent.getcurrent()
        self._running.add(greenlet)
        usage, conversation, parts = Usage(), [Message(role="user", content=message)], list[str]()
        partial = ""
        try:
            if self._is_closing:
                raise ProviderError(SHUTTING_DOWN)
            session = self._sessions.open(name)
            conversation[:0] = _messages(session.history())
            with closing(self._provider.stream(conversation, usage)) as stream:
                for count, token in enumerate(stream, 1):
                    parts.append(token)
                    partial += token
                    yield {"token": token, "count": count, "partial": partial}
            session.add_exchange(message, partial)
        except (ProviderError, StoreError) as error:
            log.warning("Reply failed after %d tokens: %s", len(parts), error)
            yield {"error": str(error)}
        except Exception:
            log.exception("Reply failed after %d tokens", len(parts))
            yield {"error": "The server could not answer."}
        else:
            # The speed is computed from the duration as shown, so that the two agree.
            duration = max(round(time.monotonic() - started, 3), 0.001)
            yield {
                "done": True,
                "tokens": len(parts),
                "duration": duration,
                "tokens_per_second": round(len(parts) / duration, 2),
                "full_response": partial,
                "session_id": name.session_id,
                "user": name.user or ANONYMOUS,
                "timestamp": timestamp(),
            }
        finally:
            self._running.discard(greenlet)
            if log.isEnabledFor(logging.INFO):  # counting takes time
                self._account(conversation, partial, usage, time.monotonic() - started)

    def close(self, timeout: float) -> None:
        """End all replies with an error event, and wait for their end, `timeout` seconds at most."""
        self._is_closing = True
        for greenlet in self._running.copy():
            gevent.kill(greenlet, ProviderError(SHUTTING_DOWN))
        with gevent.Timeout(timeout, False):
            while self._running:
                gevent.sleep(0.01)

    def _account(self, conversation: list[Message], reply: str, usage: Usage, seconds: float) -> None:
        """Log a reply's tokens and cost. Interrupted ones cost as well."""
        model = self._config.openai_model if self._provider.name == "openai" else ""
        tokens_in, tokens_out = usage.tokens_in, usage.tokens_out
        if tokens_in is None:
            tokens_in = sum(tokens.MESSAGE_TOKENS + tokens.count(one["content"], model) for one in conversation)
        if tokens_out is None:
            tokens_out = tokens.count(reply, model)
        cost = tokens.cost(tokens_in, tokens_out, self._config.price_in, self._config.price_out)
        log.info("Stream: %d tokens in, %d tokens out, %.2f s, $%.6f", tokens_in, tokens_out, seconds, cost)


class Batches:
    """The events of a reply, in lists of those that are there together: what comes together may leave together.

    A greenlet of its own generates them; whoever iterates runs as soon as that one has to wait. So no token
    waits for the next. Use as a context manager: leaving it stops the reply.
    """

    def __init__(self, events: Generator[Event, None, None]) -> None:
        self._events = events
        self._waiting = Queue(MAX_WAITING)

    def _fill(self) -> None:
        with closing(self._events), suppress(ProviderError):  # the latter: shut down while it waits for its reader
            for event in self._events:
                self._waiting.put(event)
        self._waiting.put(None)

    def __enter__(self) -> "Batches":
        self._greenlet = gevent.spawn(self._fill)
        return self

    def __exit__(self, *_: object) -> None:
        self._greenlet.kill(block=False)

    def __iter__(self) -> Iterator[list[Event]]:
        last: Event | None = {}
        while last is not None:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            last = batch[-1]
            if events := [event for event in batch if event is not None]:
                yield events


def _messages(exchanges: list[tuple[str, str]]) -> Iterator[Message]:
    for user, assistant in exchanges:
        yield Message(role="user", content=user)
        yield Message(role="assistant", content=assistant)
