"""The search for the smallest situation in which a fault shows, with a server made of rules."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.heartbeat import Heartbeat
from chatproof.conformance.suite.situation_player import ANSWERED, SituationPlayer, Trial
from chatproof.conformance.suite.situation_search import ASKS_A_ROW, SituationSearch
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.protocol.situations.axes import PLACE, REQUEST, SIZE, WIRE
from chatproof.harness.protocol.situations.situation import Situation
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from chatproof.harness.report.situation_tally import SituationTally

AXES = (REQUEST, PLACE, WIRE, SIZE)
IDS = ("SES-15", "TOK-03", "TOK-04", "REQ-12", "TOK-07")

Rule = Callable[[Situation, int], Trial]


class Searched:
    """What a search recorded: `(row, seen)` of each finding, how often each situation was asked, and the tally."""

    def __init__(self, rule: Rule) -> None:
        self.found: list[tuple[str, str]] = []
        self.asked: Counter[Situation] = Counter()
        self.rule = rule
        settings = SimpleNamespace(allowed=lambda seconds: seconds)
        lane = SimpleNamespace(side_by_side=True, contract=contract(), settings=settings, heartbeat=Heartbeat())
        case = cast("Case", SimpleNamespace(ids=IDS, lane=lane, keep=self.keep))
        self.tally = SituationTally("over SSE")
        self.search = SituationSearch(case, cast("SituationPlayer", self), AXES, Situation(), self.tally)
        asyncio.run(self.search.run(seed=2))

    def keep(self, row: str, findings: list[Violation], transcript: object) -> None:
        self.found += [(row, one.seen) for one in findings]

    async def play(self, situation: Situation) -> Trial:
        self.asked[situation] += 1
        return self.rule(situation, self.asked[situation])


def trial(situation: Situation, row: str = "", end: End = End.COMPLETE, **reply: Any) -> Trial:
    transcript = Transcript(Transport.SSE, end=end, **reply)
    return Trial(situation, transcript, {row: Violation("something", "something else")} if row else {})


def meets(**values: str) -> Callable[[Situation], bool]:
    return lambda situation: situation.holds(Situation.of(values))


def test_a_sound_server_meets_every_pair() -> None:
    searched = Searched(lambda situation, _: trial(situation))
    assert searched.found == []
    assert (searched.tally.tried, searched.tally.dropped) == (searched.tally.pairs, {})


def test_the_smallest_situation_is_told_once() -> None:
    fails = meets(place="second", wire="split")
    searched = Searched(lambda situation, _: trial(situation, "TOK-04" if fails(situation) else ""))
    assert [row for row, _ in searched.found] == ["TOK-04"]
    assert searched.found[0][1].startswith("with place=second, wire=split: something (--only TOK-04 --situation")


def test_a_value_that_fails_alone_is_its_own_rows_and_leaves() -> None:
    fails = meets(request="query")
    searched = Searched(lambda situation, _: trial(situation, "TOK-03" if fails(situation) else ""))
    assert [row for row, _ in searched.found] == ["REQ-12"]
    assert searched.tally.dropped == {"request=query": "fails alone: REQ-12"}
    assert searched.tally.tried == searched.tally.pairs - (7 + 5 + 2)


def test_what_a_server_may_refuse_leaves_the_array_without_a_finding() -> None:
    fails = meets(request="charset")
    searched = Searched(
        lambda situation, _: trial(situation, ANSWERED, status=415) if fails(situation) else trial(situation)
    )
    assert (searched.found, searched.tally.dropped) == ([], {"request=charset": "refused with status 415"})


def test_an_answer_that_does_not_come_is_told_of_the_place() -> None:
    fails = meets(place="third", size="many")
    searched = Searched(lambda situation, _: trial(situation, ANSWERED if fails(situation) else ""))
    assert [row for row, _ in searched.found] == ["SES-15"]
    assert searched.found[0][1].startswith("with place=third, size=many: something")


def test_wrong_content_once_is_a_violation() -> None:
    fails = meets(place="third", size="many")
    searched = Searched(lambda situation, times: trial(situation, "TOK-04" if fails(situation) and times == 1 else ""))
    ((row, seen),) = searched.found[:1]
    assert (row, "1 of 3 times" in seen) == ("TOK-04", True)


def test_a_time_out_that_does_not_come_again_is_none() -> None:
    late = Situation.of({"size": "large"})
    searched = Searched(
        lambda situation, times: (
            trial(situation, ANSWERED, End.TIMEOUT) if situation == late and times == 1 else trial(situation)
        )
    )
    assert searched.found == []
    assert searched.tally.dropped["size=large"].startswith("late once")


def test_what_fails_plainly_is_left_to_other_tests() -> None:
    searched = Searched(lambda situation, _: trial(situation, "TOK-03"))
    assert searched.found == []
    assert searched.search.unjudged == {"TOK-03": "it is not kept plainly either"}


def test_no_row_is_searched_for_ever() -> None:
    searched = Searched(lambda situation, _: trial(situation, "TOK-04" if len(situation.odd) > 1 else ""))
    repeated = sum(times - 1 for times in searched.asked.values() if times > 1)
    assert repeated <= ASKS_A_ROW
    assert searched.found


def test_what_was_left_out_is_told_in_one_line() -> None:
    tally = SituationTally("over SSE", 65, 163, 160, {"request=query": "refused", "size=large": "refused"})
    assert (
        tally.told() == "situations over SSE: 65 asks, 160 of 163 pairs; left out: request=query; size=large (refused)"
    )
    tally.dropped = dict.fromkeys("abcd", "no time was left")
    assert tally.told().endswith("left out: 4 situations (no time was left)")
    assert SituationTally("over SSE", none="since there are no fakes").told() == (
        "situations over SSE: none, since there are no fakes"
    )
