"""Many asks at once, and fewer where the server does not bear so many: what a small crowd can judge is judged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chatproof.conformance.suite.exceptions import NotReached, TooLate
from chatproof.conformance.suite.provider import Upstream
from chatproof.conformance.suite.together import together

SIZES = (24, 6, 1)  # the next one is tried where the one before is too large
FEW = 12  # asks of a plan, where they have to come one by one
STRAGGLE = 2.0  # times the usual wait: what the rest of a crowd that is too large gets to reach the provider

T = TypeVar("T")
Ask = Callable[[], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Crowd(Generic[T]):
    """The results of the asks that reached the provider. `slow`: why fewer asked at once than planned, or nothing."""

    came: list[T]
    slow: str = ""


@dataclass(slots=True)
class Crowds:
    """What one server bears. `most`: the largest crowd that it may be asked for; `slow`: what was seen of larger ones,
    one text for each size; `is_stuck`: not even a single ask got through."""

    most: int | None = None
    slow: dict[int, str] = field(default_factory=dict)
    is_stuck: bool = False

    async def run(
        self,
        provider: Upstream,
        plan: Sequence[Ask[T]],
        at_once: int = SIZES[0],
        is_settled: Callable[[T], bool] = lambda _: False,
    ) -> Crowd[T]:
        """Run the asks of a plan, `at_once` side by side, or fewer if not all of those reach the provider in time.

        Args:
            is_settled: whether one result settles the matter, so that no more asks are needed.

        Raises:
            TooLate: asks do not reach the provider one by one either, and no result settles the matter.
        """
        largest = min(at_once, self.most or at_once)
        sizes = [1] if self.is_stuck else [largest, *(size for size in SIZES if size < largest), 1]
        of_all: list[T] = []
        while sizes:
            size = sizes.pop(0)
            came, missed = await _in_groups(plan if size > 1 else plan[:FEW], size, is_settled)
            of_all += came
            if not missed:
                self.most, self.is_stuck = min(size, self.most or size) if size < at_once else self.most, False
                return Crowd(came, self._told(size) if size < at_once else "")
            arrived = size - len(missed)
            self.slow[size] = f"{size} at once: {arrived} of {size} reached the provider within {provider.due:g} s"
            if not came and size > 1:
                sizes = [1, 1]
            elif not (self.is_stuck or await _got_through(provider, missed)) and size == 1:
                break
        self.is_stuck = True
        if any(map(is_settled, of_all)):
            return Crowd(of_all, self._told(0))
        raise TooLate(f"asks do not reach the provider in time ({self._told(0)}); the last one: {missed[0]}")

    def _told(self, size: int) -> str:
        """What was slow in crowds larger than `size`."""
        return "; ".join(text for number, text in sorted(self.slow.items(), reverse=True) if number > size)


async def _in_groups(
    plan: Sequence[Ask[T]], size: int, is_settled: Callable[[T], bool]
) -> tuple[list[T], list[NotReached]]:
    """The results, up to the first group in which an ask did not get through, or whose result settles the matter."""
    came: list[T] = []
    for start in range(0, len(plan), size):
        found = await together(*map(_or_missed, plan[start : start + size]))
        came += [one for one in found if not isinstance(one, NotReached)]
        if missed := [one for one in found if isinstance(one, NotReached)]:
            return came, missed
        if any(map(is_settled, came)):
            break
    return came, []


async def _or_missed(ask: Ask[T]) -> T | NotReached:
    try:
        return await ask()
    except NotReached as miss:
        return miss


async def _got_through(provider: Upstream, missed: Sequence[NotReached]) -> bool:
    """Wait until the rest of a crowd is not in the way any more, and say whether any of it reached the provider."""

    async def through(miss: NotReached) -> bool:
        stream = miss.stream
        there = stream.transcript.end is None and bool(await provider.asked(stream.transcript, provider.due * STRAGGLE))
        await stream.leave()
        return there

    return any(await together(*map(through, missed)))
