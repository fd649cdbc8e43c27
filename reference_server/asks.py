"""What a client may ask, checked once for both transports."""

from dataclasses import dataclass

MAX_SESSION_ID_CHARS = 512


class BadAsk(Exception):
    """The request cannot be answered; its text says why and is meant for the client."""


@dataclass(frozen=True)
class Ask:
    """One user message. Without a `session_id` the transport chooses the session."""

    message: str
    session_id: str | None


def read_ask(payload: object, max_message_chars: int) -> Ask:
    """Check what a client sent, already parsed from JSON. Raises BadAsk."""
    if not isinstance(payload, dict):
        raise BadAsk("The request must be a JSON object with a message.")
    message = payload.get("message")
    if not isinstance(message, str) or not message.strip():
        raise BadAsk("message must be a string that is not blank.")
    if len(message) > max_message_chars:
        raise BadAsk(f"message is longer than {max_message_chars} characters.")
    session_id = payload.get("session_id")
    if session_id is not None and (not isinstance(session_id, str) or not session_id):
        raise BadAsk("session_id must be a string that is not empty.")
    if session_id is not None and len(session_id) > MAX_SESSION_ID_CHARS:
        raise BadAsk(f"session_id is longer than {MAX_SESSION_ID_CHARS} characters.")
    for text in (message, session_id or ""):
        try:
            text.encode()
        except UnicodeEncodeError:  # JSON can write half of a surrogate pair; UTF-8 cannot
            raise BadAsk("message and session_id must be valid Unicode.") from None
    return Ask(message, session_id)
