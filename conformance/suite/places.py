"""Bring a session, or a socket, to the place where the next exchange is judged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable, without
from chatproof.conformance.suite.interruption import BY_FIN, CANCELLED_WITHIN, Moment, interrupt
from chatproof.conformance.suite.provider import RETRIES
from chatproof.harness.protocol.transcript import Transcript

STOPPED_AT = Moment("minute", 2)


async def _whole(case: Case, script: str, **how: Any) -> Transcript:
    reply = await case.ask("Tell me about trains.", script=script, **how)
    if not case.lane.succeeded(reply):
        raise without(reply, f"an earlier exchange was not answered: {reply.outcome()}")
    return reply


async def _failed(case: Case, _: str, **how: Any) -> Transcript:
    return await _over(await case.ask("Please fail.", script="error-mid", deadlines=RETRIES, **how))


async def _refused(case: Case, _: str, **how: Any) -> Transcript:
    return await _over(await case.ask("Please fail.", script="context-length", deadlines=RETRIES, **how))


async def _over(reply: Transcript) -> Transcript:
    if reply.did_not_come:
        raise without(reply, f"the failed exchange never ended: {reply.outcome()}")
    return reply


async def _stopped(case: Case, _: str, **how: Any) -> Transcript:
    left = await interrupt(case, BY_FIN, STOPPED_AT, case.lane.settings.allowed(CANCELLED_WITHIN), **how)
    if left.took is None:
        raise NotTestable("the provider's request of the stopped exchange goes on (INT-01)")
    case.lane.note(left.stream.transcript)  # it may have told the id of its conversation
    return left.stream.transcript


@dataclass(frozen=True, slots=True)
class Place:
    """Where an exchange stands. `words`: of a session, or of a socket; `steps`: the exchanges in front of it.

    `needs_provider`: whether a provider must fail, or show that it was left. `keeps_socket`: whether one socket can do
    all of it.
    """

    name: str
    words: str
    steps: tuple[Callable[..., Awaitable[Transcript]], ...]
    needs_provider: bool = False
    keeps_socket: bool = True

    async def reach(self, case: Case, script: str = "paced", **how: Any) -> list[Transcript]:
        """Make the exchanges in front of it, and give their replies.

        Args:
            script: what is played in whole ones; the usual one takes long enough to show in a `duration`.
            how: as for `Case.start`; the session, at least.

        Raises:
            NotTestable: one of them did not do what it should; another row says so.
        """
        return [await step(case, script, **how) for step in self.steps]


SECOND = Place("second", "the second exchange", (_whole,))
THIRD = Place("third", "the third exchange", (_whole, _whole))
AFTER_FAILED = Place("after-failed", "the exchange after one that failed in mid-reply", (_whole, _failed), True)
AFTER_REFUSED = Place("after-refused", "the exchange after one that failed before its first token", (_refused,), True)
AFTER_STOPPED = Place(
    "after-stopped", "the exchange after one that its client stopped", (_whole, _stopped), True, keeps_socket=False
)
AFTER_STOPPED_FIRST = replace(AFTER_STOPPED, steps=(_stopped,))  # where stopping a later one is what is judged
LATER = (SECOND, THIRD, AFTER_FAILED, AFTER_REFUSED, AFTER_STOPPED)


def reachable(case: Case, on_one_socket: bool = False) -> list[Place]:
    """The places that this run can bring a session to, or with `on_one_socket` a socket."""
    there = [one for one in LATER if case.lane.provider or not one.needs_provider]
    if case.lane.settings.resumes:  # leaving stops nothing
        there = [one for one in there if one is not AFTER_STOPPED]
    return [one for one in there if one.keeps_socket or not on_one_socket]
