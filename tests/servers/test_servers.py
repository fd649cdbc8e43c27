"""The suite against servers whose faults are known, and against odd servers that keep the contract.

Each server gets one run of the suite, in a process of its own; several run side by side, since they mostly wait.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatproof.harness.protocol.requirements import Profile, contract
from tests.servers.broken import DOORS, FAULTS, WHOLE
from tests.servers.legal import VARIANTS

ROOT = Path(__file__).parents[2]
SERVER = f"{sys.executable} -m tests.servers.run_server --port {{port}} --variant "
AT_ONCE = int(os.environ.get("CHATPROOF_JOBS", "8"))
WAITING = {"LIM-11", "ERR-06", "SIO-09", "INT-09"}
EVERYTHING = (WHOLE + " " + DOORS).split()
LIMIT = 280.0  # seconds for one run
PLAIN = "plain"
# To begin with: those of many rows do so anyway.
LONG = {PLAIN, "no-terminal-event", "not-cancelled", "held-back", "no-limit", "never-again", "slow-to-pass-on"}
LONG |= {"stuck-reader", "no-timeout", "slow-to-start", "old-stream", "socket-not-cancelled"}
LONG |= {"cancels-mostly", "cancels-mostly-polling"}
SILENCE, PROVIDER_TIMEOUT = "5", "6"  # seconds; less than the suite's own, so that broken servers are done sooner


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run said."""

    verdict: str
    rows: Mapping[str, tuple[str, str, str]]  # id: level, verdict, what was seen
    output: str

    def of(self, *verdicts: str) -> set[str]:
        return {name for name, (_, verdict, _) in self.rows.items() if verdict in verdicts}

    def told(self, names: Iterable[str]) -> str:
        return "\n".join(f"{name} {self.rows[name][1]}: {self.rows[name][2]}" for name in sorted(names))


def all_rows() -> list[str]:
    """Every id."""
    return [row.id for row in contract()]


def rows_of(groups: Iterable[str], keep: Iterable[str]) -> list[str]:
    """The rows of groups without those that only wait, unless asked for by their own ids."""
    wanted = set(groups)
    return [
        row
        for row in all_rows()
        if row in wanted or (row.partition("-")[0] in wanted and row not in WAITING - set(keep))
    ]


def judge(name: str, folder: Path) -> Outcome:
    """Run the suite against one server."""
    report = folder / f"{name}.json"
    command = [sys.executable, "-m", "pytest", "conformance", "-q", "-p", "no:cacheprovider"]
    for plugin in ("hypothesispytest", "respx", "anyio", "schemathesis", "xdist", "base_url"):  # slow to import
        command += ["-p", f"no:{plugin}"]
    command += [
        "--profile",
        ",".join(VARIANTS[name].profiles if name in VARIANTS else Profile),
        "--provider",
        "openai",
        "--start",
        SERVER + name,
        "--report-json",
        str(report),
    ]
    if name != PLAIN:
        command += ["--silence", SILENCE, "--provider-timeout", PROVIDER_TIMEOUT]
    if only := only_of(name):
        command += ["--only", ",".join(only)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    try:
        ran = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(f"no end after {LIMIT:g} s", {}, "")
    output = ran.stdout + ran.stderr
    if not report.exists():
        return Outcome("no report", {}, output)
    document = json.loads(report.read_text(encoding="utf-8"))
    rows = {row["id"]: (row["level"], row["verdict"], row["seen"]) for row in document["rows"]}
    return Outcome(document["verdict"], rows, output)


def only_of(name: str) -> list[str]:
    """The rows to run against a server; nothing for all of them."""
    if name == PLAIN:
        return []
    if name in VARIANTS:
        return rows_of(EVERYTHING, VARIANTS[name].also.split())
    fault = FAULTS[name]
    if fault.only == tuple(WHOLE.split()):
        return [row for row in rows_of(fault.only, WAITING) if row != "LIM-11"]
    return rows_of(fault.only, fault.must)


class Runs:
    """The runs of the servers that the selected tests name, begun together."""

    def __init__(self, names: Iterable[str], folder: Path) -> None:
        self.executor = ThreadPoolExecutor(AT_ONCE)
        longest_first = sorted(names, key=lambda name: (name not in LONG, -len(only_of(name))))
        self.futures: dict[str, Future[Outcome]] = {
            name: self.executor.submit(judge, name, folder) for name in longest_first
        }

    def of(self, name: str) -> Outcome:
        return self.futures[name].result()

    def close(self) -> None:
        self.executor.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Begin the runs of all selected servers."""
    ours = [item for item in request.session.items if item.path == Path(__file__)]
    calls = [getattr(item, "callspec", None) for item in ours]
    names = dict.fromkeys(str(call.params["name"]) if call else PLAIN for call in calls)
    runs = Runs(names, tmp_path_factory.mktemp("servers"))
    yield runs
    runs.close()


def test_a_plain_server_passes(runs: Runs) -> None:
    """The whole suite, the rows that wait included."""
    outcome = runs.of(PLAIN)
    judged = {name for name, (_, verdict, _) in outcome.rows.items() if verdict != "not applicable"}
    assert outcome.verdict == "pass", outcome.output
    assert outcome.of("passed") == judged, outcome.told(judged - outcome.of("passed"))
    assert judged == set(all_rows())


@pytest.mark.parametrize("name", VARIANTS)
def test_a_legal_server_passes(runs: Runs, name: str) -> None:
    """Every row of what it declares, MUST and SHOULD."""
    outcome = runs.of(name)
    declared = {row.id for row in contract() if set(row.profiles) <= VARIANTS[name].profiles}
    wanted = declared & set(outcome.rows)
    assert outcome.verdict == "pass", outcome.output
    assert outcome.of("passed") == wanted, outcome.told(wanted ^ outcome.of("passed"))
    assert outcome.of("not applicable") == set(outcome.rows) - wanted


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_server_is_caught(runs: Runs, name: str) -> None:
    """By the rows that ask for what it breaks."""
    outcome, fault = runs.of(name), FAULTS[name]
    assert outcome.rows, outcome.output
    assert not outcome.of("harness error"), outcome.told(outcome.of("harness error"))
    violated, untestable = outcome.of("violated"), outcome.of("not testable")
    assert fault.must <= violated, f"not noticed by {', '.join(sorted(fault.must - violated))}\n{outcome.output}"
    others = violated - fault.must - fault.may
    assert not others, f"accused of something else:\n{outcome.told(others)}"
    others = untestable - fault.unjudged
    assert not others, f"not judged without need:\n{outcome.told(others)}"
    red = any(outcome.rows[row][0] == "MUST" for row in violated | untestable)
    assert outcome.verdict == ("fail" if red else "pass"), outcome.output
