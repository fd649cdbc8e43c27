"""Validate a chat request and its user, for HTTP and Socket.IO alike.

An error's `description` is sent to the client as it is.
"""

from dataclasses import dataclass

import jwt
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import BadRequest, Unauthorized

ANONYMOUS = "anonymous"
BEARER = WWWAuthenticate("bearer")
MAX_MESSAGE_CHARS = 32_000
MAX_SESSION_ID_CHARS = 512


@dataclass(frozen=True)
class ChatRequest:
    """One user message. With `session_id` None, the transport chooses the session."""

    message: str
    session_id: str | None


def read_chat_request(payload: object) -> ChatRequest:
    """Validate a client's parsed JSON. Raises BadRequest."""
    if not isinstance(payload, dict):
        raise BadRequest("The request must be a JSON object with the key message.")
    message, session_id = payload.get("message"), payload.get("session_id")
    if not isinstance(message, str) or not message.strip():
        raise BadRequest("message must be a non-blank string.")
    if session_id is not None and (not isinstance(session_id, str) or not session_id):
        raise BadRequest("session_id must be a non-empty string.")
    texts = (("message", message, MAX_MESSAGE_CHARS), ("session_id", session_id or "", MAX_SESSION_ID_CHARS))
    for name, text, most in texts:
        if len(text) > most:
            raise BadRequest(f"{name} is longer than {most} characters.")
        try:
            text.encode()
        except UnicodeEncodeError:  # JSON can hold half of a surrogate pair, UTF-8 cannot
            raise BadRequest("message and session_id must be valid Unicode.") from None
    return ChatRequest(message, session_id)


def read_user(header: str | None, secret: str) -> str | None:
    """Return the user that an `Authorization` header names: the JWT's `sub`, or None without a JWT.

    Without a `secret` every client is anonymous, and the header is ignored. Raises Unauthorized for an invalid
    JWT, and for another scheme: its owner must learn that it is invalid, so such a client is not treated as anonymous.
    """
    if not secret or not header:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("The header must be `Authorization: Bearer <token>`.", www_authenticate=BEARER)
    try:
        user = jwt.decode(token.strip(), secret, algorithms=["HS256"], options={"require": ["sub"]})["sub"]
    except jwt.ExpiredSignatureError:
        raise Unauthorized("The token has expired.", www_authenticate=BEARER) from None
    except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):  # numbers and lists beyond all measure
        raise Unauthorized("The token is invalid.", www_authenticate=BEARER) from None
    if not isinstance(user, str) or not user or not user.isprintable():
        raise Unauthorized("The token has no user: its claim sub must be a non-empty string.", www_authenticate=BEARER)
    return user
