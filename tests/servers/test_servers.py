"""The suite against servers whose faults are known, and against odd servers that keep the contract.

Each server gets one run of the suite; several run side by side, since they mostly wait.
`judge_process` says who runs where.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from chatproof.conformance import test_perf
from chatproof.conformance.suite.jwt import signed
from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.common.settings import DECLARABLE, declarable_of
from chatproof.harness.protocol.apis.api import Api
from chatproof.harness.protocol.requirements import OWN_API, Profile, contract
from tests.servers.apis.tables import RESUMABLE, THREADS
from tests.servers.broken import DOORS, FAULTS, WHOLE, perf
from tests.servers.broken.fault import Fault
from tests.servers.catalogue import PLAIN, SERVERS
from tests.servers.judge_process import APART
from tests.servers.legal import VARIANTS
from tests.servers.legal.variant import Variant
from tests.servers.line_process import LineProcess

# runs side by side, each with three processes: see `judge_process`
JUDGES = int(os.environ.get("CHATPROOF_JOBS", min(7 + (os.cpu_count() or 2), 12)))
TOKENS = [signed({"sub": name}, "any") for name in ("ann", "ben")]
WAITING = {
    "LIM-11",
    "LIM-14",
    "ERR-06",
    "SIO-09",
    "SIO-17",
    "CHAT-07",
    "INT-09",
    "ERR-07",
    "SIO-19",
    "SES-16",
    "SSE-13",
    "RES-08",
}
COSTLY = {"PERF-06", "PERF-07", "PERF-08"}  # hundreds of replies
EVERYTHING = (WHOLE + " " + DOORS).split()
LIMIT = 1500.0  # seconds to wait for one run, which may be the last one that a judge takes
SECOND_TRIES = 15  # servers that are judged once more; with more of them something is wrong
# To begin with: those of many rows do so anyway.
LONG = {PLAIN, "no-terminal-event", "not-cancelled", "held-back", "no-limit", "never-again", "fails-after-the-minute"}
LONG |= {"slow-to-pass-on", "stuck-reader", "no-timeout", "slow-to-start", "old-stream", "socket-not-cancelled"}
LONG |= {
    "socket-without-timeout",
    "chat-patient",
    "socket-swallows-the-timeout",
    "locked-sessions",
    "cancels-mostly",
    "cancels-mostly-polling",
}
RECORDED: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("verdicts.json").read_text(encoding="utf-8"))
# server: row: why its verdict is not always the same
VARYING: dict[str, dict[str, str]] = {}
ABANDONED = 3.0  # seconds
SILENCE, PROVIDER_TIMEOUT = 5.0, 6.0  # seconds; less than the suite's own, so that broken servers are done sooner
HURRIED_TIMEOUT = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run said."""

    verdict: str
    rows: Mapping[str, tuple[str, str, str]]  # id: level, verdict, what was seen
    output: str

    def of(self, *verdicts: str) -> set[str]:
        return {name for name, (_, verdict, _) in self.rows.items() if verdict in verdicts}

    def table(self, rows: Iterable[str]) -> dict[str, str]:
        """The run's verdict, and rows by theirs, as `verdicts.json` has them."""
        found: dict[str, list[str]] = {}
        for name in rows:
            found.setdefault(self.rows[name][1], []).append(name)
        return {"run": self.verdict, **{verdict: " ".join(names) for verdict, names in sorted(found.items())}}

    def told(self, names: Iterable[str]) -> str:
        return "\n".join(f"{name} {self.rows[name][1]}: {self.rows[name][2]}" for name in sorted(names))


@cache
def api_of(word: str) -> Api:
    """The api that a server speaks, by what `--api` says."""
    return ApiChoice.of({"api_name": word}).api


def all_rows(api: str = OWN_API) -> list[str]:
    """The id of every row that holds for an api."""
    return [row.id for row in contract() if row.holds_for(api_of(api))]


def rows_of(groups: Iterable[str], keep: Iterable[str], api: str = OWN_API) -> list[str]:
    """The rows of groups without those that only wait or cost much, unless asked for by their own ids."""
    wanted = set(groups)
    return [
        row
        for row in all_rows(api)
        if row in wanted or (row.partition("-")[0] in wanted and row not in WAITING.union(COSTLY) - set(keep))
    ]


def options_of(name: str) -> dict[str, Any]:
    """The suite's options for a server, by their names in Settings."""
    options: dict[str, Any] = {
        "profile": [profile.value for profile in profiles_of(name)],
        "api_name": served.api if (served := served_as(name)) else OWN_API,
        "provider": [provider_of(name)],
        "only": only_of(name),
        "contract": revision_of(name),
    }
    if options["api_name"] in (RESUMABLE, THREADS):
        options |= {"abandoned_after": ABANDONED, "jwt_token": TOKENS}
    if not tries_situations(name):
        options["situation"] = "plain"
    if name != PLAIN:
        timeout = HURRIED_TIMEOUT if SERVERS[name].hurried else PROVIDER_TIMEOUT
        options |= {"silence": SILENCE, "provider_timeout": timeout}
    return options


def tries_situations(name: str) -> bool:
    """Whether a server meets the covering array: the broken ones that need it, and the good ones that mix most. The
    plain one does not: those of foreign make, which are as plain, do."""
    if name in FAULTS:
        return FAULTS[name].in_situations
    return name == "chameleon-0" or name.endswith("-good")


def revision_of(name: str) -> int:
    """The revision of the contract by which a server is judged: a fault of the first one by that alone."""
    return served.contract if (served := served_as(name)) else contract().revision


def served_as(name: str) -> Fault | Variant | None:
    """What is known of a server; nothing of the plain one."""
    return FAULTS.get(name) or VARIANTS.get(name)


def provider_of(name: str) -> str:
    """The provider behind a server."""
    return served.provider if (served := served_as(name)) else "openai"


def profiles_of(name: str) -> Iterable[Profile]:
    """The profiles that a server declares, of those that its api has."""
    declared = VARIANTS[name].profiles if name in VARIANTS else Profile
    served = served_as(name)
    can_declare = declarable_of(api_of(served.api if served else OWN_API))
    return [one for one in declared if one in can_declare]


def only_of(name: str) -> list[str]:
    """The rows to run against a server; nothing for all of them."""
    if name == PLAIN:
        return []
    if name in VARIANTS:
        return rows_of(VARIANTS[name].only or EVERYTHING, VARIANTS[name].also.split(), VARIANTS[name].api)
    fault = FAULTS[name]
    if fault.only == tuple(WHOLE.split()):
        return [row for row in rows_of(fault.only, WAITING) if row not in ("LIM-11", "LIM-14")]
    return rows_of(fault.only, fault.must, fault.api)


def question_about(name: str) -> dict[str, Any]:
    """What a judge is asked."""
    return {"name": name, "options": options_of(name), "hurried": SERVERS[name].hurried}


class Runs:
    """The runs of the servers that the selected tests name. Every judge takes the next one when it is done with one.

    Half of the judges begin with the longest runs, the others with the shortest: many long ones at once would need more
    than this machine has, and then a server that is quick enough looks slow.
    """

    def __init__(self, names: Iterable[str], processes: ExitStack) -> None:
        self.answers: dict[str, Future[dict[str, Any]]] = {name: Future() for name in names}
        self.again: dict[str, Future[dict[str, Any]]] = {}
        self.processes = processes
        self.last = [name for name in self.answers if name in APART]  # on a busy machine memory is slow to come by
        rest = self.answers.keys() - APART.keys()
        self.left = deque(sorted(rest, key=lambda name: (name not in LONG, -len(only_of(name)), name)))
        for number in range(min(JUDGES, len(self.answers))):
            judge = processes.enter_context(LineProcess("tests.servers.judge_process"))
            self._next(judge, self.left.pop if number % 2 else self.left.popleft)

    def _next(self, judge: LineProcess, take: Callable[[], str]) -> None:
        with suppress(IndexError):
            name = take() if self.left else self.last.pop()
            answer = judge.ask(question_about(name))
            answer.add_done_callback(partial(self._keep, judge, take, name))

    def _keep(self, judge: LineProcess, take: Callable[[], str], name: str, answer: Future[dict[str, Any]]) -> None:
        if problem := answer.exception():
            self.answers[name].set_exception(problem)
        else:
            self.answers[name].set_result(answer.result())
        if not isinstance(problem, ChildProcessError):
            self._next(judge, take)

    def show(self, name: str, look: Callable[[Outcome], None]) -> None:
        """Let a test look at what the suite says of a server, and where it complains, at what it says of it alone."""
        try:
            look(self.of(name))
        except AssertionError:
            if name in self.again or len(self.again) == SECOND_TRIES:
                raise
            wait(self.answers.values(), LIMIT)
            judge = self.processes.enter_context(LineProcess("tests.servers.judge_process"))
            self.again[name] = judge.ask(question_about(name))
            look(self.of(name))

    def of(self, name: str) -> Outcome:
        """What the suite said of a server last. Raises TimeoutError after `LIMIT` seconds without an answer."""
        answer = self.again.get(name, self.answers[name]).result(LIMIT)
        rows = {row: (level, verdict, seen) for row, (level, verdict, seen) in answer["rows"].items()}
        return Outcome(answer["verdict"], rows, answer["output"])


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Begin the runs of all selected servers."""
    ours = [item for item in request.session.items if item.path == Path(__file__)]
    calls = [getattr(item, "callspec", None) for item in ours]
    names = dict.fromkeys(str(call.params["name"]) if call else PLAIN for call in calls)
    with ExitStack() as processes:
        yield Runs(names, processes)


def test_a_plain_server_passes(runs: Runs) -> None:
    """The whole suite, the rows that wait included."""
    runs.show(PLAIN, keeps_every_row)


def keeps_every_row(outcome: Outcome) -> None:
    judged = {name for name, (_, verdict, _) in outcome.rows.items() if verdict != "not applicable"}
    assert outcome.verdict == "pass", outcome.output
    assert outcome.of("passed") == judged, outcome.told(judged - outcome.of("passed"))
    assert judged == {row for row in all_rows() if set(contract()[row].profiles) <= set(DECLARABLE)}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_legal_server_passes(runs: Runs, name: str) -> None:
    """Every row of what it declares, MUST and SHOULD."""
    runs.show(name, partial(keeps_what_it_declares, name))


def keeps_what_it_declares(name: str, outcome: Outcome) -> None:
    declared = {row.id for row in contract() if set(row.profiles) <= set(profiles_of(name))}
    instead = {row.id for row in contract() if row.unless in set(profiles_of(name))}
    wanted = declared & set(outcome.rows) - instead
    assert outcome.verdict == "pass", outcome.output
    assert outcome.of("passed") == wanted, outcome.told(wanted ^ outcome.of("passed"))
    assert outcome.of("not applicable") == set(outcome.rows) - wanted


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_server_is_caught(runs: Runs, name: str) -> None:
    """By the rows that ask for what it breaks."""
    runs.show(name, partial(shows_its_fault, FAULTS[name]))


def shows_its_fault(fault: Fault, outcome: Outcome) -> None:
    assert outcome.rows, outcome.output
    assert not outcome.of("harness error"), outcome.told(outcome.of("harness error"))
    violated, untestable = outcome.of("violated"), outcome.of("not testable")
    unnoticed = fault.must - violated
    assert not unnoticed, f"not noticed by:\n{outcome.told(unnoticed)}\n{outcome.output}"
    assert fault.says in outcome.told(fault.must | fault.unjudged & outcome.rows.keys())
    others = violated - fault.must - fault.may
    assert not others, f"accused of something else:\n{outcome.told(others)}"
    others = untestable - fault.unjudged
    assert not others, f"not judged without need:\n{outcome.told(others)}"
    red = any(outcome.rows[row][0] == "MUST" for row in violated | untestable)
    assert outcome.verdict == ("fail" if red else "pass"), outcome.output


@pytest.mark.parametrize("name", RECORDED)
def test_verdicts_are_as_recorded(runs: Runs, name: str) -> None:
    """The same rows of the contract's first revision are judged of every server as ever, with the same verdicts.

    Whoever changes the contract on purpose puts the line that a failure shows into `verdicts.json`.
    """
    runs.show(name, partial(is_as_recorded, name))


def is_as_recorded(name: str, outcome: Outcome) -> None:
    recorded = RECORDED[name]
    varying = VARYING.get(name, {})
    first = [row for row in outcome.rows if contract()[row].since == 1]
    new = {row: outcome.rows[row][1] for row in first if row not in varying}
    old = {row: verdict for verdict, rows in recorded.items() for row in rows.split() if verdict != "run"}
    old = {row: verdict for row, verdict in old.items() if row not in varying}
    line = json.dumps({name: outcome.table(first)})
    assert new == old, f"{line}\n{outcome.told(row for row in new if new[row] != old.get(row))}\n{outcome.output}"
    assert outcome.verdict == recorded["run"], line


def test_a_verdict_is_recorded_for_every_server_of_the_first_revision() -> None:
    """What a later fault must show stands beside it, and a legal server passes."""
    assert {name for name in FAULTS if FAULTS[name].contract == 1} <= set(RECORDED) <= set(SERVERS)
    assert VARYING.keys() <= RECORDED.keys()


def test_the_leaking_server_waits_for_the_warm_up() -> None:
    """It begins to leak after as many sessions as the suite opens before it weighs."""
    assert perf.WARM_UP == test_perf.WARM_UP
