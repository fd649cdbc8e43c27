"""What red rows have in common, and in which order it is told."""

from __future__ import annotations

import json

from chatproof.harness.protocol.requirements import Hurt, contract
from chatproof.harness.report import as_json
from chatproof.harness.report.root_causes import Cause, root_causes
from chatproof.harness.report.summary import RunSummary
from chatproof.harness.report.verdicts import Ledger, Overall, Record, Row, Verdict

ANSWER = "status 500 with '{\"error\": \"name \\'Response\\' is not defined\"}'"


def red(name: str, seen: str, verdict: Verdict = Verdict.VIOLATED, **more: str) -> Row:
    return Row(contract()[name], verdict, seen, **more)  # type: ignore[arg-type]


def untested(name: str, why: str, **more: str) -> Row:
    return red(name, why, Verdict.NOT_TESTABLE, **more)


def named(causes: tuple[Cause, ...]) -> list[tuple[str, ...]]:
    return [cause.ids for cause in causes]


def test_what_hurts_most_comes_first() -> None:
    names = ("SSE-10", "SSE-01", "END-01", "SES-08", "INT-01", "INT-02", "TOK-04")
    causes = root_causes([red(name, f"seen of {name}") for name in names])
    assert named(causes) == [("INT-01",), ("SES-08",), ("END-01",), ("TOK-04",), ("SSE-01",), ("INT-02",), ("SSE-10",)]
    assert [cause.hurts for cause in causes[:4]] == [Hurt.MONEY, Hurt.OTHERS, Hurt.TEXT, Hurt.TEXT]
    assert [cause.gates for cause in causes] == [True] * 5 + [False] * 2  # SHOULD rows come last, in the same order
    strict = root_causes([red(name, f"seen of {name}") for name in names], strict=True)
    assert named(strict)[:2] == [("INT-01",), ("INT-02",)]


def test_one_row_with_one_cause_in_several_lanes_is_one_cause() -> None:
    lanes = ("openai", "gemini", "local")
    (cause,) = root_causes([red("INT-01", f"went on for {number} s", provider=one) for number, one in enumerate(lanes)])
    assert cause.rows == ("INT-01 (openai)", "INT-01 (gemini)", "INT-01 (local)")
    assert (cause.title, cause.seen) == (contract()["INT-01"].text, "went on for 0 s")
    assert contract()["INT-01"].typical in cause.do


def test_an_answer_that_many_rows_saw_is_one_cause() -> None:
    rows = [
        red("REQ-01", ANSWER),
        red("REQ-03", f"{{}}: {ANSWER}", expected="a 4xx status"),
        untested("SSE-01", f"there was no stream to look at: {ANSWER}"),
        untested("INT-01", f"the provider never wrote token 1: {ANSWER}"),
        red("TOK-04", f"differs at character 0 (of 0, wanted 438); {ANSWER}"),
        red("LIM-02", "0 of 61 requests were refused"),
    ]
    first, second = root_causes(rows)
    assert first.ids == ("REQ-01", "REQ-03", "SSE-01", "INT-01", "TOK-04")
    assert (first.title, first.seen) == ("The server answers ordinary requests with status 500", ANSWER)
    assert second.ids == ("LIM-02",)


def test_an_answer_to_bad_requests_alone_is_no_common_cause() -> None:
    names = ("REQ-03", "REQ-04", "REQ-06", "REQ-08")
    rows = [red(name, f"body {name}: {ANSWER}", expected="a 4xx status") for name in names]
    assert len(root_causes(rows)) == 4


def test_rows_that_could_not_be_tested_follow_from_the_violated_row_that_says_why() -> None:
    why = "the server refused the WebSocket with status 404"
    sockets = [
        untested(name, f"no Socket.IO connection over websocket: {why}") for name in ("SIO-02", "SIO-03", "TOK-01")
    ]
    advised = red("SIO-01", f"{why}; for a server without Socket.IO use --profile limits,chat")
    (cause,) = root_causes([*sockets, advised])
    assert cause.title == contract()["SIO-01"].text
    assert cause.verdict is Verdict.VIOLATED
    assert len(cause.rows) == 4


def test_rows_share_a_reason_that_differs_in_its_names_alone() -> None:
    rows = [
        untested("SES-01", "no answer to 0ab1cd-12x after 5 s"),
        untested("SES-02", "no answer to 0ab1cd-99x after 6 s"),
    ]
    (cause,) = root_causes(rows)
    assert cause.title == "2 requirements could not be tested"
    assert cause.seen == rows[0].seen


def test_rows_with_one_symptom_are_one_cause() -> None:
    rows = [red(name, "count 0 at token 1", expected="count 1") for name in ("TOK-02", "SIO-02")]
    assert named(root_causes(rows)) == [("TOK-02", "SIO-02")]
    others = [
        red("TOK-01", "0 tokens, no terminal event", expected="a token"),
        red("END-01", "0 tokens, no terminal event"),
    ]
    assert len(root_causes(others)) == 2


def test_a_transport_that_alone_fails_is_a_cause() -> None:
    ledger = Ledger(contract())
    for number, name in enumerate(("TOK-01", "TOK-02", "END-01")):
        ledger.add([Record(name, Verdict.PASSED, over="sse"), Record(name, Verdict.PASSED, over="websocket")])
        ledger.add([Record(name, Verdict.VIOLATED, f"fault {number * 'x'}", over="polling")])
    (cause,) = root_causes(ledger.rows(("TOK-01", "TOK-02", "END-01"), lambda *_: Record("", Verdict.PASSED)))
    assert cause.title == "Over polling 3 requirements fail that hold over other transports"


def test_a_fault_of_the_suite_is_told_as_one() -> None:
    (cause,) = root_causes([red("END-01", "ValueError: x", Verdict.HARNESS_ERROR)])
    assert "fault of chatproof" in cause.title
    assert cause.gates


def test_what_the_run_itself_saw_comes_first_with_its_rows() -> None:
    seen = Cause("The server ended", "TypeError: x", "mend it", reason="it ended with code 1")
    rows = [
        red("INT-01", "went on"),
        untested("TOK-01", "it ended with code 1 during test_x"),
        untested("SSE-01", "other"),
    ]
    first, *rest = root_causes(rows, [seen])
    assert (first.title, first.rows) == ("The server ended", ("TOK-01",))
    assert [cause.ids for cause in rest] == [("INT-01",), ("SSE-01",)]


def test_known_failures_are_nobodys_cause() -> None:
    assert root_causes([red("INT-01", "went on", known="ticket 12")]) == ()


def test_every_red_row_is_in_one_cause() -> None:
    rows = [red(one.id, ANSWER if number % 3 else f"odd {one.id}") for number, one in enumerate(contract())]
    told = [name for cause in root_causes(rows) for name in cause.rows]
    assert sorted(told) == sorted(row.name for row in rows)


def test_the_json_report_begins_with_the_causes() -> None:
    rows = [red("INT-01", "went on with sk-proj-SECRET99"), red("SSE-10", "cached")]
    document = json.loads(json.dumps(as_json(RunSummary("http://x", Overall.FAIL, rows, {}))))
    first, second = document["start_here"]
    assert list(first) == ["title", "rows", "hurts", "verdict", "gates", "seen", "expected", "do", "repeat"]
    assert (first["rows"], first["hurts"], first["gates"]) == (["INT-01"], "costs money", True)
    assert "SECRET99" not in first["seen"]
    assert second["gates"] is False


def test_each_group_and_row_of_the_contract_hurts_in_one_way() -> None:
    assert {one.hurts for one in contract()} == set(Hurt)
    assert contract()["TOK-05"].hurts is Hurt.TEXT
