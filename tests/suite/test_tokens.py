"""The suite's own tokens, read by PyJWT: the good ones verify, no forgery does."""

from __future__ import annotations

from dataclasses import replace

import jwt
import pytest

from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.jwt import forgeries, users
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract

SECRET = "a secret of more than thirty-two characters"


def settings(**given: object) -> Settings:
    return Settings.read({"base_url": "http://127.0.0.1:1", **given}, contract())


def verified(token: str) -> str:
    return str(jwt.decode(token, SECRET, algorithms=["HS256"])["sub"])


def test_users_have_tokens_that_verify() -> None:
    for user, name in zip(users(settings(jwt_secret=SECRET), ("anna", "bert")), ("anna", "bert"), strict=True):
        assert (user.identity, verified(user.token)) == (name, name)


def test_no_forgery_verifies_and_each_claims_somebody() -> None:
    with_secret = settings(jwt_secret=SECRET)
    anna, _ = users(with_secret, ("anna", "bert"))
    forged = list(forgeries(with_secret, anna, "bert"))
    assert len({one.token for one in forged} | {anna.token}) == len(forged) + 1
    for one in forged:
        with pytest.raises(jwt.InvalidTokenError):
            verified(one.token)
        claims = jwt.decode(one.token, options={"verify_signature": False})
        assert claims["sub"] in ("anna", "bert"), one.name


def test_ready_tokens_tell_their_identities() -> None:
    made = users(settings(jwt_secret=SECRET), ("anna", "bert"))
    ready = replace(settings(), jwt_tokens=tuple(user.token for user in made))
    assert users(ready, ("x", "y")) == made
    assert "expired" not in {one.name for one in forgeries(ready, made[0], "bert")}


@pytest.mark.parametrize("tokens", [(), ("no token",), ("a.b.c", "d.e.f")])
def test_what_is_no_pair_of_tokens_is_not_testable(tokens: tuple[str, ...]) -> None:
    with pytest.raises(NotTestable):
        users(replace(settings(), jwt_tokens=tokens), ("anna", "bert"))
