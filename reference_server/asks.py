"""What a client may ask, checked once for both transports."""

from dataclasses import dataclass

MAX_SESSION_ID_CHARS = 512


class Refusal(Exception):
    """Why there is no answer; the text is meant for the client. `status` is that of HTTP."""

    status = 400


@dataclass(frozen=True)
class Ask:
    """One user message. Without a `session_id` the transport chooses the session."""

    message: str
    session_id: str | None


def read_ask(payload: object, max_message_chars: int) -> Ask:
    """Check what a client sent, already parsed from JSON. Raises Refusal."""
    if not isinstance(payload, dict):
        raise Refusal("The request must be a JSON object with a message.")
    message, session_id = payload.get("message"), payload.get("session_id")
    if not isinstance(message, str) or not message.strip():
        raise Refusal("message must be a string that is not blank.")
    if session_id is not None and (not isinstance(session_id, str) or not session_id):
        raise Refusal("session_id must be a string that is not empty.")
    texts = (("message", message, max_message_chars), ("session_id", session_id or "", MAX_SESSION_ID_CHARS))
    for name, text, most in texts:
        if len(text) > most:
            raise Refusal(f"{name} is longer than {most} characters.")
        try:
            text.encode()
        except UnicodeEncodeError:  # JSON can write half of a surrogate pair; UTF-8 cannot
            raise Refusal("message and session_id must be valid Unicode.") from None
    return Ask(message, session_id)
