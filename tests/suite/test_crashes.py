"""Servers that crash during a run: the crash is a finding, its ask is found, and no other row is accused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chatproof.conformance.suite.judge import judge
from chatproof.fake_providers.server.launcher import start_fakes
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.started_server import free_port, listens
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report import RunSummary
from tests.suite.running import ROOT

NULL = "null"
DYING = f"{sys.executable} -m tests.suite.dying_server --port {{port}} --of "


def judged(**options: object) -> RunSummary:
    given = {"provider": ["openai"], "profile": ["core"], **options}
    return asyncio.run(judge(Settings.read(given, contract())))


def verdicts(summary: RunSummary) -> dict[str, str]:
    return {row.requirement.id: row.verdict.value for row in summary.rows}


@pytest.mark.parametrize(
    ("words", "how", "then"),
    [
        ("null", "exit code 3", "the suite started the server again"),
        ("null --worker", "a worker process ended", "the server came back by itself"),
    ],
    ids=["process", "worker"],
)
def test_the_ask_that_ends_the_server_is_found(words: str, how: str, then: str) -> None:
    """Rows that were cut off are judged on the new server: what they find there is true."""
    summary = judged(start=DYING + words, only=["REQ-01,REQ-03,TOK-02,SES-09"])
    (crash,) = summary.crashes
    assert (crash.how, crash.row, crash.then) == (how, "REQ-03", then)
    assert '"message": null' in crash.ask
    assert "AttributeError: 'NoneType' object has no attribute 'strip'" in crash.said
    assert "sent again, alone" in crash.search
    assert crash.repeat.startswith("curl -iN")
    assert '"message": null' in crash.repeat
    (row,) = (row for row in summary.rows if row.verdict == "violated" and row.requirement.id == "REQ-03")
    assert row.repeat == summary.causes[0].repeat == crash.repeat
    assert verdicts(summary) == {"REQ-01": "passed", "REQ-03": "violated", "TOK-02": "passed", "SES-09": "violated"}
    assert summary.causes[0].title == crash.title.replace("the server", "The server", 1)
    assert summary.causes[0].ids == ("REQ-03",)


def test_leaving_a_reply_may_be_what_ends_the_server() -> None:
    summary = judged(start=DYING + "hang-up", only=["REQ-01,TOK-02,INT-05"])
    assert {(crash.row, crash.how) for crash in summary.crashes} == {("INT-05", "exit code 3")}
    assert "whose client hung up after" in summary.crashes[0].ask
    assert "write after end" in summary.crashes[0].said
    assert verdicts(summary) == {"REQ-01": "passed", "TOK-02": "passed", "INT-05": "violated"}


def test_an_ask_that_ends_the_server_only_after_another_is_found_by_its_test() -> None:
    """No ask ends it alone. So the tests run again, one at a time, and the one in which it crashes again is named."""
    summary = judged(start=DYING + "second", only=["REQ-01,TOK-02,SES-02"])
    first, second = summary.crashes
    assert (first.ask, first.row) == ("", "")
    assert "ended it again, sent alone" in first.search
    assert (second.row, "ran again, alone" in second.search) == ("SES-02", True)
    assert verdicts(summary) == {"REQ-01": "passed", "TOK-02": "passed", "SES-02": "violated"}


def test_a_server_that_crashes_again_and_again_is_left_alone() -> None:
    summary = judged(start=DYING + "everything", only=["REQ-01,REQ-02,TOK-02,SES,END"])
    assert len(summary.crashes) == 6
    assert summary.verdict == "fail"
    reason = "the server is not asked any more after 5 crashes: the server crashed (exit code 3)"
    unjudged = [row for row in summary.rows if row.verdict == "not testable"]
    assert len(unjudged) > 15
    assert {row.seen.startswith(reason) for row in unjudged} == {True}


def test_a_server_that_ends_at_the_first_ask_is_told_with_its_own_error() -> None:
    start = f"{sys.executable} -c \"import socket; s = socket.create_server(('127.0.0.1', {{port}})); "
    start += "s.accept(); s.accept()[0].recv(9); raise ValueError('no such model')\""
    summary = judged(start=start, only=["REQ-01"])
    assert (summary.verdict, len(summary.crashes)) == ("fail", 1)
    assert "the server crashed (exit code 1) during the first ask, POST /api/chat/stream" in summary.error
    assert "ValueError: no such model" in summary.error
    assert verdicts(summary) == {"REQ-01": "violated"}


@contextmanager
def supervised(of: str, lives: int) -> Iterator[tuple[str, str]]:
    """A dying server that somebody else starts, `lives` times. Gives its URL and that of the fakes behind it."""
    port, over = free_port(), threading.Event()
    with start_fakes() as fakes:
        words = [sys.executable, "-m", "tests.suite.dying_server", "--port", str(port), "--of", of]
        variables = {"OPENAI_BASE_URL": f"{fakes.url}/v1", "OPENAI_API_KEY": "sk-none", "PYTHONPATH": str(ROOT)}

        def supervise() -> None:
            for _ in range(lives):
                with subprocess.Popen(words, cwd=ROOT, env=variables, stderr=subprocess.DEVNULL) as process:
                    while process.poll() is None and not over.wait(0.05):
                        pass
                    process.kill()
                over.wait(0.7)

        supervisor = threading.Thread(target=supervise)
        supervisor.start()
        try:
            while not listens("127.0.0.1", port):
                over.wait(0.05)
            yield f"http://127.0.0.1:{port}", fakes.url
        finally:
            over.set()
            supervisor.join()


def test_a_server_that_the_suite_did_not_start_may_come_back() -> None:
    """Nobody sends it again what may have ended it. Its crash is told once, and no row is accused of it."""
    with supervised(NULL, lives=9) as (url, fakes):
        summary = judged(base_url=url, provider_url=fakes, only=["REQ-01,REQ-03,TOK-02,SES-09"])
    (crash,) = summary.crashes
    assert (crash.how, crash.then) == ("it stopped accepting connections", "the server came back by itself")
    assert summary.verdict == "fail"
    expected = {"REQ-01": "passed", "REQ-03": "not testable", "TOK-02": "passed", "SES-09": "violated"}
    assert verdicts(summary) == expected


def test_a_server_that_the_suite_did_not_start_may_stay_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatproof.conformance.suite.server_life.BACK_WITHIN", 0.5)
    with supervised(NULL, lives=1) as (url, fakes):
        summary = judged(base_url=url, provider_url=fakes, only=["REQ-01,REQ-03,TOK-02,SES-09"])
    assert len(summary.crashes) == 1
    assert verdicts(summary)["REQ-03"] == "not testable"
    assert '{"message": null' in summary.crashes[0].search
    seen = next(row.seen for row in summary.rows if row.requirement.id == "REQ-03")
    assert "the server did not come back within 0.5 s: the server crashed (it stopped accepting connections)" in seen
