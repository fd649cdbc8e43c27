"""JSON Web Tokens, valid and forged. Written by hand, since a library refuses to make the forged ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable
from chatproof.harness.common.settings import SERVER_SECRETS, Settings
from chatproof.harness.protocol.transcript import Transcript

LIFETIME = 3600  # seconds
CLOCKS_APART = 60  # seconds that the server's clock may be slow
REFUSALS = (401, 403, 422)  # by which servers refuse a token
NONE_SPELLINGS = ("none", "None", "NONE", "nOnE")


@dataclass(frozen=True, slots=True)
class User:
    """A user with a valid token. `identity` is the token's `sub`."""

    identity: str
    token: str


@dataclass(frozen=True, slots=True)
class Forgery:
    """A token that a server must refuse, and what is wrong with it."""

    name: str
    token: str


def users(settings: Settings, names: tuple[str, str]) -> tuple[User, User]:
    """Two users with valid tokens: made with the secret, or the ready-made tokens.

    Raises:
        NotTestable: neither is known, or the ready tokens do not tell two identities.
    """
    if settings.jwt_secret:
        first, second = (User(name, signed(claims(name), settings.jwt_secret)) for name in names)
        return first, second
    if len(settings.jwt_tokens) < 2:
        raise NotTestable(
            "the profile auth needs the JWT secret (--jwt-secret), or ready-made tokens of two users (--jwt-token)"
        )
    ready = [User(identity_of(token), token) for token in settings.jwt_tokens]
    if (other := next((user for user in ready[1:] if user.identity != ready[0].identity), None)) is None:
        raise NotTestable("the ready-made tokens are all of one user, and AUTH needs two users (--jwt-token)")
    return ready[0], other


def why_refused(settings: Settings, answer: Transcript) -> str:
    """Why a server refuses a valid token although it serves everybody without one, or nothing where it does not."""
    if answer.status not in REFUSALS:
        return ""
    told = f"the server knows JSON Web Tokens, but refuses a valid one ({answer.outcome()})"
    if not settings.jwt_secret:
        return f"{told}: are the tokens of --jwt-token its own, and not expired?"
    if not settings.start:
        return f"{told}: is its secret that of --jwt-secret?"
    names = ", ".join(SERVER_SECRETS)
    return f"{told}: its secret is not the one in {names}; give its own with --jwt-secret, or tokens with --jwt-token"


def forgeries(settings: Settings, user: User, other: str) -> Iterator[Forgery]:
    """Tokens that claim to be a user, and one whose payload was changed to claim to be `other`."""
    header, payload, signature = user.token.split(".")
    head, body = decoded(header), decoded(payload)
    renamed = encoded({**body, "sub": other})
    yield Forgery("its payload changed", f"{header}.{renamed}.{signature}")
    # not the last character: some of its bits are padding, so changing it may change nothing
    swapped = ("B" if signature[:1] == "A" else "A") + signature[1:]
    yield Forgery("its signature changed", f"{header}.{payload}.{swapped}")
    yield Forgery("its signature cut off", f"{header}.{payload}.")
    for key, name in ((secrets.token_hex(32), "another key"), ("", "an empty key"), ("secret", "a guessed key")):
        if key != settings.jwt_secret:
            yield Forgery(f"signed with {name}", signed(body, key))
    key = secrets.token_hex(32)
    brought = {"kty": "oct", "k": _base64(key.encode())}
    told = {"kid": "another", "jwk": brought}  # RFC 7515, 4.1.3 and 4.1.4: a server must not take its key from there
    yield Forgery("signed with the key that it brings (`jwk`, `kid`)", signed(body, key, told))
    for spelling in NONE_SPELLINGS:
        yield Forgery(f"alg: {spelling}", f"{encoded({**head, 'alg': spelling})}.{payload}.")
    yield Forgery("alg: none with a signature", f"{encoded({**head, 'alg': 'none'})}.{payload}.{signature}")
    if settings.jwt_secret:
        past = {**body, "iat": int(time.time()) - 2 * LIFETIME, "exp": int(time.time()) - LIFETIME}
        yield Forgery("expired an hour ago", signed(past, settings.jwt_secret))
    elif settings.jwt_expired:
        yield Forgery("expired", settings.jwt_expired)


def early(settings: Settings, user: User) -> Forgery:
    """A token that is good from an hour ahead. Raises NotApplicable where the server's secret is not known."""
    if not settings.jwt_secret:
        raise NotApplicable("a token with an `nbf` of its own needs the server's secret (--jwt-secret)")
    return Forgery("not valid for another hour (nbf)", signed(not_yet(user.identity), settings.jwt_secret))


def names_for_tokens(user: User) -> Iterator[tuple[str, str]]:
    """What is no token at all and names a user, in words, and as an Authorization header has it."""
    name = user.identity
    yield "the user's name in place of a token", f"Bearer {name}"
    yield "the user's name as that of Basic", f"Basic {base64.b64encode(f'{name}:{name}'.encode()).decode()}"
    yield "a token's payload in place of the token", f"Bearer {user.token.split('.')[1]}"


def claims(identity: str) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": identity, "iat": now - CLOCKS_APART, "exp": now + LIFETIME}


def renewed(token: str, settings: Settings) -> str:
    """A later token of the same user. Raises NotApplicable where the server's secret is not known."""
    if not settings.jwt_secret:
        raise NotApplicable("a token that is renewed needs the server's secret (--jwt-secret)")
    body = decoded(token.split(".")[1])
    return signed({**body, "exp": int(body["exp"]) + CLOCKS_APART}, settings.jwt_secret)


def not_yet(identity: str) -> dict[str, Any]:
    """Claims that are good from an hour ahead."""
    start = int(time.time()) + LIFETIME
    return {**claims(identity), "nbf": start, "exp": start + LIFETIME}


def signed(body: Mapping[str, Any], key: str, told: Mapping[str, Any] | None = None) -> str:
    """A token of HS256. `told`: what else its header says."""
    text = f"{encoded({'alg': 'HS256', 'typ': 'JWT', **(told or {})})}.{encoded(body)}"
    return f"{text}.{_base64(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())}"


def encoded(value: Mapping[str, Any]) -> str:
    """A JSON object in base64url, as a token carries it."""
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def decoded(part: str) -> dict[str, Any]:
    """The JSON object in a token's header or payload. Raises NotTestable if there is no object."""
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError as error:
        raise NotTestable("a ready-made token is not a JWT: its parts are not JSON in base64") from error
    if not isinstance(value, dict):
        raise NotTestable("a ready-made token is not a JWT: its payload is not an object")
    return value


def identity_of(token: str) -> str:
    """The `sub` of a token. Raises NotTestable if it is no signed JWT or has no `sub`."""
    parts = token.split(".")
    if len(parts) != 3:
        raise NotTestable("a ready-made token is not a signed JWT: it does not have three parts")
    if not (identity := decoded(parts[1]).get("sub")):
        raise NotTestable("a ready-made token has no `sub`, so the suite cannot tell its user")
    return str(identity)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
