"""Crowds that shrink until the server bears them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from chatproof.conformance.suite.crowds import FEW, Crowd, Crowds
from chatproof.conformance.suite.exceptions import NotReached, TooLate
from chatproof.conformance.suite.provider import Upstream
from chatproof.conformance.suite.replies import Stream
from chatproof.harness.protocol.transcript import End, Transcript, Transport


@dataclass
class FakeStream:
    """An ask that is still under way."""

    transcript: Transcript = field(default_factory=lambda: Transcript(Transport.SSE))

    async def leave(self) -> None:
        self.transcript.ended(0.0, End.LEFT)


@dataclass
class Bearing:
    """A server that lets `bears` asks of a crowd through, and in place of the provider behind it. `is_slow`: the others
    get through later."""

    bears: int
    is_slow: bool = True
    due: float = 5.0
    groups: list[int] = field(default_factory=list)
    under_way: int = 0

    async def asked(self, reply: Transcript, timeout: float) -> object:
        return self.is_slow or None

    async def ask(self) -> str:
        self.under_way += 1
        place = self.under_way
        await asyncio.sleep(0)
        if place == self.under_way:
            self.groups.append(place)
        await asyncio.sleep(0)
        self.under_way = 0
        if place > self.bears:
            raise NotReached("the provider never wrote token 2", cast(Stream, FakeStream()))
        return "open"

    def run(
        self, crowds: Crowds, count: int = 48, at_once: int = 24, is_settled: Callable[[str], bool] = lambda _: False
    ) -> Crowd[str]:
        plan: Any = [self.ask] * count
        return asyncio.run(crowds.run(cast(Upstream, self), plan, at_once, is_settled))


def test_a_server_that_bears_the_crowd_gets_the_whole_plan() -> None:
    server = Bearing(24)
    assert server.run(Crowds()) == Crowd(["open"] * 48)
    assert server.groups == [24, 24]


def test_a_smaller_crowd_is_tried_and_the_message_says_why() -> None:
    server = Bearing(9)
    crowd = server.run(Crowds())
    assert len(crowd.came) == 48
    assert crowd.slow == "24 at once: 9 of 24 reached the provider within 5 s"
    assert server.groups == [24, *[6] * 8]


def test_one_by_one_fewer_are_asked() -> None:
    server = Bearing(1)
    crowd = server.run(Crowds())
    assert len(crowd.came) == FEW
    assert crowd.slow == (
        "24 at once: 1 of 24 reached the provider within 5 s; 6 at once: 1 of 6 reached the provider within 5 s"
    )


def test_what_a_server_bears_is_remembered() -> None:
    crowds, server = Crowds(), Bearing(9)
    server.run(crowds)
    server.groups.clear()
    assert server.run(crowds, count=12).slow.startswith("24 at once: 9 of 24")
    assert server.groups == [6, 6]
    assert server.run(crowds, count=1, at_once=1).slow == ""


def test_a_server_that_bears_nobody_is_not_testable() -> None:
    crowds, server = Crowds(), Bearing(0, is_slow=False)
    with pytest.raises(TooLate, match=r"24 at once: 0 of 24.*; 1 at once: 0 of 1.*never wrote token 2"):
        server.run(crowds)
    assert server.groups == [24, 1]
    server.groups.clear()
    with pytest.raises(TooLate):
        server.run(crowds)
    assert server.groups == [1], "the next row gives up sooner"


def test_what_is_left_of_a_crowd_is_waited_for_before_one_is_asked_alone() -> None:
    server = Bearing(0)
    with pytest.raises(TooLate):
        server.run(Crowds())
    assert server.groups == [24, 1, 1]


def test_a_result_that_settles_the_matter_is_enough() -> None:
    server = Bearing(24)
    assert len(server.run(Crowds(), is_settled=lambda one: one == "open").came) == 24


class Stuck(Bearing):
    """A server that goes on with what was left is busy with that, and hears nobody any more."""

    async def asked(self, reply: Transcript, timeout: float) -> None:
        self.bears = 0


def test_a_result_of_too_large_a_crowd_counts_where_no_other_can_be_had() -> None:
    crowd = Stuck(5).run(Crowds(), is_settled=lambda one: one == "open")
    assert crowd.came == ["open"] * 5
    assert "1 at once: 0 of 1" in crowd.slow
