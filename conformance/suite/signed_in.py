"""Signed-in users, for rows that are about everybody: what holds for a client without a token holds for them, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.interruption import HangUp, Moment
from chatproof.conformance.suite.jwt import claims, signed
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.conformance.suite.socket_tokens import HANDSHAKE, ask_as
from chatproof.harness.protocol.requirements import OWN_API, Profile
from chatproof.harness.protocol.transcript import Transport

NO_USERS = "the server shows no users, or refuses their tokens (AUTH-01 and AUTH-05 judge that)"
EVERY = 3  # every third client signs in


async def tokens_for(case: Case, number: int, over: Transport = Transport.SSE) -> list[str]:
    """Valid tokens, at most `number`, each of another user, since a server may limit what one user asks at once. None
    where the server knows no users, or does not answer one over this transport."""
    if not (tokens := _tokens(case, number)):
        return []
    if over is Transport.SSE:
        reply = await case.ask("It is me.", credential=tokens[0], source=case.lane.budget.addresses.fresh())
    else:
        reply = await ask_as(case, HANDSHAKE, tokens[0], case.lane.new_session(), "It is me.", over)
    return tokens if case.lane.succeeded(reply) else []


def _tokens(case: Case, number: int) -> list[str]:
    settings = case.lane.settings
    if is_first_revision(case) or case.lane.api.name != OWN_API or not case.lane.shows(Profile.AUTH):
        return []
    if not settings.jwt_secret:
        return list(settings.jwt_tokens[:number])
    name = case.lane.new_session().removeprefix("session-")
    return [signed(claims(f"user{one}-{name}"), settings.jwt_secret) for one in range(number)]


async def as_user(case: Case, over: Transport, token: str) -> dict[str, Any]:
    """How a user asks, as `Case.ask` takes it. Opens a socket where the transport needs one."""
    if over is Transport.SSE:
        return {"over": over, "credential": token}
    return {"over": over, "socket": await case.connect(over, introduction=HANDSHAKE.introduce(token))}


def with_users(
    plan: Sequence[tuple[HangUp, Moment]], tokens: Sequence[str]
) -> Iterator[tuple[HangUp, Moment, str | None]]:
    """A plan of replies to be left, each with its client's token: every third client is a user, as long as there is
    one."""
    left = iter(tokens)
    for number, (how, moment) in enumerate(plan):
        is_user = (number + number // EVERY) % EVERY == 1  # moved on each time: a plan may repeat itself after six
        token = next(left, None) if is_user else None
        if token is not None:
            how = HangUp(how.name.replace("a client", "a signed-in client"), how.leave)
        yield how, moment, token
