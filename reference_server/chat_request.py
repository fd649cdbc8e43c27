"""Who asks, and what: checked once for both transports. The `description` of an error is meant for the client."""

from dataclasses import dataclass

import jwt
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import BadRequest, Unauthorized

ANONYMOUS = "anonymous"
BEARER = WWWAuthenticate("bearer")
MAX_SESSION_ID_CHARS = 512


@dataclass(frozen=True)
class ChatRequest:
    """One user message. Without a `session_id` the transport chooses the session."""

    message: str
    session_id: str | None


def read_chat_request(payload: object, max_message_chars: int) -> ChatRequest:
    """Check what a client sent, already parsed from JSON. Raises BadRequest."""
    if not isinstance(payload, dict):
        raise BadRequest("The request must be a JSON object with a message.")
    message, session_id = payload.get("message"), payload.get("session_id")
    if not isinstance(message, str) or not message.strip():
        raise BadRequest("message must be a string that is not blank.")
    if session_id is not None and (not isinstance(session_id, str) or not session_id):
        raise BadRequest("session_id must be a string that is not empty.")
    texts = (("message", message, max_message_chars), ("session_id", session_id or "", MAX_SESSION_ID_CHARS))
    for name, text, most in texts:
        if len(text) > most:
            raise BadRequest(f"{name} is longer than {most} characters.")
        try:
            text.encode()
        except UnicodeEncodeError:  # JSON can write half of a surrogate pair; UTF-8 cannot
            raise BadRequest("message and session_id must be valid Unicode.") from None
    return ChatRequest(message, session_id)


def read_user(header: str | None, secret: str) -> str | None:
    """The user of an `Authorization` header: the token's `sub`, or None without a token. Raises Unauthorized.

    Without a secret everybody is anonymous. A token that is not good is refused, never taken for a visitor without
    one: its owner should know.
    """
    scheme, _, token = (header or "").partition(" ")
    if not secret or scheme.lower() != "bearer":
        return None
    try:
        user = jwt.decode(token.strip(), secret, algorithms=["HS256"], options={"require": ["sub"]})["sub"]
    except jwt.ExpiredSignatureError:
        raise Unauthorized("The token has expired.", www_authenticate=BEARER) from None
    except jwt.PyJWTError:
        raise Unauthorized("The token is not valid.", www_authenticate=BEARER) from None
    if not isinstance(user, str) or not user:
        raise Unauthorized("The token names no user.", www_authenticate=BEARER)
    return user
