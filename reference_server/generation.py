"""One reply as a sequence of events: any number of tokens, then exactly one terminal event."""

import logging
import time
from collections.abc import Generator
from contextlib import closing

from reference_server.provider import Provider, ProviderError
from reference_server.sessions import Message, Sessions, timestamp

log = logging.getLogger(__name__)

Event = dict[str, object]


def generate(provider: Provider, sessions: Sessions, session_id: str, message: str) -> Generator[Event, None, None]:
    """Answer a message, and remember both once the reply is complete.

    Each event is yielded as soon as there is one. Close the generator, or kill the greenlet that
    waits in it, to stop the provider: its connection is closed at once and nothing is remembered.
    """
    started = time.monotonic()
    session = sessions.open(session_id)
    conversation = [*session.history(), Message(role="user", content=message)]
    count = 0
    partial = ""
    try:
        with closing(provider.stream(conversation)) as tokens:
            for token in tokens:
                count += 1
                partial += token
                yield {"token": token, "count": count, "partial": partial}
    except ProviderError as error:
        log.warning("Reply failed after %d tokens: %s", count, error)
        yield {"error": str(error)}
        return
    except Exception:
        log.exception("Reply failed after %d tokens", count)
        yield {"error": "The server could not answer."}
        return
    session.add_exchange(message, partial)
    # The speed is computed from the duration as shown, so that the two agree.
    duration = max(round(time.monotonic() - started, 3), 0.001)
    log.info("Reply: %d tokens in %.2f s", count, duration)
    yield {
        "done": True,
        "tokens": count,
        "duration": duration,
        "tokens_per_second": round(count / duration, 2),
        "full_response": partial,
        "session_id": session_id,
        "user": "anonymous",
        "timestamp": timestamp(),
    }
