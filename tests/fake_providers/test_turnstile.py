"""A crowd of requests, and what is due meanwhile."""

from __future__ import annotations

import asyncio
import time

from chatproof.fake_providers.server.turnstile import AT_ONCE, Turnstile

CROWD = 12 * AT_ONCE
WORK = 0.001  # seconds that an answer takes


async def test_a_few_pass_at_once_and_all_in_order() -> None:
    turnstile, passed = Turnstile(), list[int]()
    for number in range(CROWD):
        turnstile.let_through(lambda number=number: passed.append(number))  # type: ignore[misc]
    assert passed == list(range(AT_ONCE))
    while len(passed) < CROWD:
        await asyncio.sleep(0)
    assert passed == list(range(CROWD))


async def test_what_is_due_does_not_wait_for_the_crowd() -> None:
    turnstile, passed, seen = Turnstile(), list[float](), list[int]()
    asyncio.get_running_loop().call_later(AT_ONCE * WORK, lambda: seen.append(len(passed)))

    def answer() -> None:
        time.sleep(WORK)
        passed.append(time.monotonic())

    for _ in range(CROWD):
        turnstile.let_through(answer)
    while len(passed) < CROWD:
        await asyncio.sleep(0)
    (before,) = seen
    assert AT_ONCE <= before < CROWD / 2


async def test_the_next_turn_lets_as_many_through_again() -> None:
    turnstile, passed = Turnstile(), list[int]()
    for turn in range(3):
        for number in range(AT_ONCE):
            turnstile.let_through(lambda number=number: passed.append(number))  # type: ignore[misc]
        assert len(passed) == (turn + 1) * AT_ONCE
        await asyncio.sleep(0)
