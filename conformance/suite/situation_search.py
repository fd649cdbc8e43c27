"""Try a covering array of situations, and find the smallest one in which each fault shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.situation_player import ANSWERED, SituationPlayer, Trial
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.requirements import Level
from chatproof.harness.protocol.situations.axes import PLACE, SIZE, WIRE, Axis, value_of
from chatproof.harness.protocol.situations.covering_array import Pair, alone, covering_array, pairs_of
from chatproof.harness.protocol.situations.situation import Situation
from chatproof.harness.report.situation_tally import SituationTally

AT_ONCE = 4  # situations, where the server serves several clients at once
ASKS_A_ROW = 12  # of all searches for the faults of one row
MOST_TIME = 60.0  # seconds of one array; a server that answers at once takes three
NO_TIME = "no time was left"
REPEATED = 2  # times that a failure is repeated
TELLING = (PLACE.name, WIRE.name, SIZE.name)  # the axes whose values say most about a failure


@dataclass(slots=True)
class SituationSearch:
    """One covering array of a test. `base`: the situation that is plain for it; `tally`: what became of it."""

    case: Case
    player: SituationPlayer
    axes: Sequence[Axis]
    base: Situation
    tally: SituationTally
    _known: list[tuple[str, Situation]] = field(default_factory=list)
    _asked: dict[str, int] = field(default_factory=dict)
    _left_out: dict[tuple[str, str], str] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    async def run(self, seed: int) -> None:
        """Play everything plainly, then each value alone, then the array, and record what was found."""
        plain = await self._play(self.base)
        if plain.dropped or ANSWERED in plain.found:
            why = plain.dropped or plain.found[ANSWERED].seen
            self.tally.none = f"since a plain ask was not answered: {why}"
            return
        self._known += [(row, self.base) for row in plain.found]  # other tests judge that
        for trial in await self._play_all(alone(self.axes, self.base)):
            value = trial.situation.beside(self.base)[0]
            why = trial.dropped or trial.refused
            if not why and (rows := await self._look_into(trial)):
                why = f"fails alone: {', '.join(rows)}"
            if why:
                self._left_out[value] = why
        pairs = pairs_of(self.axes)
        planned = [one.without(self._left_out, self.base) for one in covering_array(self.axes, seed)]
        trials = await self._play_all(dict.fromkeys(one for one in planned if len(one.beside(self.base)) > 1))
        for trial in trials:
            await self._look_into(trial)
        self._count(pairs, trials)

    async def repeat(self, situation: Situation) -> None:
        """Play one situation as often as a failure is played, and record what was found."""
        trials = [await self._play(situation) for _ in range(REPEATED + 1)]
        self.tally.dropped |= {str(situation): trial.dropped for trial in trials if trial.dropped}
        for row in dict.fromkeys(row for trial in trials for row in trial.found):
            failed = [trial for trial in trials if row in trial.found]
            often = _often(len(failed), len(trials))
            self._record(row, situation, failed[0], failed[0].found[row], often)

    @property
    def unjudged(self) -> dict[str, str]:
        """The rows of which nothing can be said, and why."""
        return {row: "it is not kept plainly either" for row, small in self._known if small == self.base}

    # -- playing

    @property
    def _has_no_time(self) -> bool:
        return time.monotonic() - self._began > self.case.lane.settings.allowed(MOST_TIME)

    async def _play(self, situation: Situation) -> Trial:
        if self._has_no_time:
            return Trial(situation, dropped=NO_TIME)
        self.tally.asks += 1
        return await self.player.play(situation)

    async def _play_all(self, situations: Iterable[Situation]) -> list[Trial]:
        gate = asyncio.Semaphore(AT_ONCE if self.case.lane.side_by_side else 1)

        async def one(situation: Situation) -> Trial:
            async with gate:
                trial = await self._play(situation)
            if not trial.found:
                trial.reply = trial.reply if trial.refused else None  # it may be large
            return trial

        return await asyncio.gather(*map(one, situations))

    # -- searching

    async def _look_into(self, trial: Trial) -> list[str]:
        """Search for what a trial found that is not known yet. Gives the rows that it violates."""
        rows = []
        for row, found in trial.found.items():
            if not any(row == known and trial.situation.holds(small) for known, small in self._known):
                rows += await self._search(row, trial, found)
        return rows

    async def _search(self, row: str, trial: Trial, found: Violation) -> list[str]:
        again = [one for _ in range(REPEATED) if (one := await self._again(row, trial.situation))]
        failed = [one for one in again if row in one.found]
        if not failed and trial.reply and self.case.lane.heartbeat.may_have_lost(trial.reply):
            self.tally.dropped[str(trial.situation)] = f"late once, and not when it was asked again: {found.seen}"
            return []
        small, shows = trial.situation, trial
        for axis, _ in trial.situation.beside(self.base) if failed else ():
            less = small.but(axis, self.base[axis])
            if less != self.base and (one := await self._again(row, less)) and row in one.found:
                small, shows = less, one
        self._known.append((row, small))
        often = _often(1 + len(failed), 1 + len(again))
        return [self._record(row, small, shows, shows.found[row], often)]

    async def _again(self, row: str, situation: Situation) -> Trial | None:
        if self._asked.get(row, 0) >= ASKS_A_ROW or self._has_no_time:
            return None
        self._asked[row] = self._asked.get(row, 0) + 1
        return await self._play(situation)

    # -- telling

    def _record(self, found_by: str, small: Situation, trial: Trial, found: Violation, often: str) -> str:
        """Record a violation for the row that it belongs to, and give that row."""
        row = self._row_of(found_by, small)
        again = f"--only {row} --situation {str(small)!r} asks that again"
        seen = f"with {small}{often}: {found.seen} ({again})"
        self.case.keep(row, [replace(found, seen=seen)], trial.reply)
        return row

    def _row_of(self, found_by: str, small: Situation) -> str:
        """The row that speaks for a fault: that of its one odd value; else the row that found it, or a value's row if
        that is a SHOULD row."""
        odd = sorted(small.beside(self.base), key=lambda one: one[0] not in TELLING)
        values = [value for one in odd if (value := value_of(*one))]
        owners = [row for value in values for row in value.owners if row in self.case.ids]
        if owners and (len(odd) == 1 or found_by == ANSWERED):
            return owners[0]
        lesser = [one for one in owners if self.case.lane.contract[one].level is Level.SHOULD]
        own = found_by if found_by in self.case.ids else self.case.ids[0]
        return lesser[0] if lesser and self.case.lane.contract[own].level is Level.MUST else own

    def _count(self, pairs: Sequence[Pair], trials: Iterable[Trial]) -> None:
        """Count the pairs of odd values, and say which were left out."""
        self.tally.pairs = len(pairs)
        met = {pair for trial in trials if not trial.dropped for pair in trial.situation.pairs}
        self.tally.tried = sum(pair in met for pair in pairs)
        self.tally.dropped |= {f"{axis}={value}": why for (axis, value), why in self._left_out.items()}
        self.tally.dropped |= {str(trial.situation): trial.dropped for trial in trials if trial.dropped}


def _often(failed: int, asked: int) -> str:
    """How often it failed, in words; nothing where it failed each time."""
    return f", {failed} of {asked} times" if failed < asked else ""
