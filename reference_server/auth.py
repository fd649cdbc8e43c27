"""JSON Web Tokens: who is asking. Without JWT_SECRET everybody is anonymous."""

import jwt

from reference_server.asks import Refusal

ANONYMOUS = "anonymous"


class BadToken(Refusal):
    """A token that is not to be trusted."""

    status = 401


def read_user(header: str | None, secret: str) -> str | None:
    """The user of an `Authorization` header: the token's `sub`, or None without a token. Raises BadToken.

    A token that is not good is refused, never taken for a visitor without one: its owner should know.
    """
    scheme, _, token = (header or "").partition(" ")
    if not secret or scheme.lower() != "bearer":
        return None
    try:
        user = jwt.decode(token.strip(), secret, algorithms=["HS256"], options={"require": ["sub"]})["sub"]
    except jwt.ExpiredSignatureError:
        raise BadToken("The token has expired.") from None
    except jwt.PyJWTError:
        raise BadToken("The token is not valid.") from None
    if not isinstance(user, str) or not user:
        raise BadToken("The token names no user.")
    return user
