"""The suite as a library: servers judged from Python, side by side in one process."""

from __future__ import annotations

import asyncio
import sys

from chatproof.conformance.suite.interruption import Moment
from chatproof.conformance.suite.judge import judge
from chatproof.conformance.suite.provider import Upstream
from chatproof.conformance.suite.suite_tests import all_tests
from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report import RunSummary

SERVER = f"{sys.executable} -m tests.servers.run_server --port {{port}} --variant "


def settings(**given: object) -> Settings:
    return Settings.read({"only": ["TOK-02,TOK-04"], "provider": ["openai"], **given}, contract())


async def judged(*variants: str) -> list[RunSummary]:
    return list(await asyncio.gather(*(judge(settings(start=SERVER + one)) for one in variants)))


def verdicts(summary: RunSummary) -> dict[str, str]:
    return {row.name: row.verdict.value for row in summary.rows}


def test_two_servers_are_judged_side_by_side() -> None:
    kept, broken = asyncio.run(judged("plain", "count-from-0"))
    assert (kept.verdict, kept.error, verdicts(kept)) == (
        "pass",
        "",
        {"TOK-02": "passed", "TOK-04 (openai)": "passed"},
    )
    assert (broken.verdict, verdicts(broken)) == ("fail", {"TOK-02": "violated", "TOK-04 (openai)": "passed"})


def test_a_failure_says_in_words_what_the_provider_did() -> None:
    """A script's name alone tells nobody what happened."""
    summary = asyncio.run(judge(settings(start=SERVER + "early-end", only=["ERR-03"])))
    (row,) = [row for row in summary.rows if row.verdict == "violated"]
    assert any(
        '  provider: plays drop-mid ("Three tokens, then the response ends cleanly' in one for one in row.screens
    )


def test_a_server_with_another_jwt_secret_is_not_taken_for_one_without_tokens() -> None:
    """It answers a valid token with 401. Nobody declared the profile."""
    said: list[str] = []
    summary = asyncio.run(judge(settings(start=SERVER + "jwt-own-secret", only=["AUTH"]), say=said.append))
    why = "the server knows JSON Web Tokens, but refuses a valid one (status 401"
    assert {row.verdict.value for row in summary.rows} == {"not applicable"}
    assert all(why in row.seen and "JWT_SECRET, JWT_SECRET_KEY, SECRET_KEY" in row.seen for row in summary.rows)
    assert any(line.startswith("AUTH is not judged: the server knows") for line in said)


def test_a_moment_of_a_reply_is_told_in_words() -> None:
    provider = Upstream(Fakes("http://127.0.0.1:9"), {"minute": {"about": "600 tokens, 100 ms apart."}})
    told = [Moment("minute", 1), Moment("minute", 2), Moment("minute", 0), Moment("large", 1, inside=True)]
    assert [moment.told(provider) for moment in told] == [
        'after 1 token of minute ("600 tokens, 100 ms apart")',
        'after 2 tokens of minute ("600 tokens, 100 ms apart")',
        'before the first token of minute ("600 tokens, 100 ms apart")',
        "inside an event of large",
    ]


def test_a_server_that_does_not_start_is_an_error() -> None:
    summary = asyncio.run(judge(settings(start="false {port}")))
    assert summary.verdict == "error"
    assert "ended with exit code 1" in summary.error


def test_every_row_has_a_test_and_every_test_a_name_of_its_own() -> None:
    tests = all_tests(settings(start="x", provider=["all"]), contract())
    assert {name for test in tests for name in test.ids} == {row.id for row in contract() if not row.excluded}
    assert len({test.name for test in tests}) == len(tests)


def test_a_server_without_a_chat_route_is_not_accused_of_it() -> None:
    """Nobody declared the profile."""
    rows = ["CHAT-01", "CHAT-04", "LIM-04", "LIM-02"]
    summary = asyncio.run(judge(settings(start=SERVER + "streams-only", only=rows)))
    told = {row.requirement.id: (row.verdict.value, row.seen) for row in summary.rows}
    why = "profile chat is not declared, and POST /api/chat was answered with status 404"
    assert [verdict for verdict, _ in told.values()] == ["violated", *["not applicable"] * 3], told
    assert all(seen.startswith(why) for name, (_, seen) in told.items() if name != "LIM-02")


def test_a_server_that_reads_no_token_over_sockets_is_not_accused_of_it() -> None:
    """Not even where each guest has another name."""
    for variant in ("sockets-without-users", "socket-guests-with-names"):
        summary = asyncio.run(judge(settings(start=SERVER + variant, only=["AUTH-05", "AUTH-06"])))
        told = [(row.verdict.value, row.seen.partition(":")[0]) for row in summary.rows]
        assert told == [("not applicable", "the server was not seen to read a token over Socket.IO")] * 2
