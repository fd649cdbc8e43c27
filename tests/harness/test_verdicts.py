"""Verdicts, reports and screens."""

from __future__ import annotations

import json

import pytest

from chatproof import __version__
from chatproof.harness.client.connection import SourceAddresses
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.chat_stream.token_checks import counts_rise_by_one
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report import RunSummary, as_json, start_here, table, verdict_line
from chatproof.harness.report.document import as_text
from chatproof.harness.report.failure_screen import screen
from chatproof.harness.report.verdicts import Ledger, Overall, Record, Row, Verdict, overall
from tests.protocol.kit import socket, sound, sse, tokens

OPTIONS = {"base_url": "http://127.0.0.1:1", "silence": 10.0, "start_timeout": 60.0, "provider_timeout": None}


def told(found: list[Row], verdict: Overall = Overall.FAIL) -> RunSummary:
    return RunSummary("http://x", verdict, found, contract().titles, seconds=12.3, providers=["openai"])


def rows(*records: tuple[str, Verdict]) -> list[Row]:
    ledger = Ledger(contract())
    ledger.add(Record(name, verdict, "seen it", "wanted it") for name, verdict in records)
    wanted = dict.fromkeys(name for name, _ in records)
    return ledger.rows(wanted, lambda row, _: Record(row.id, Verdict.NOT_APPLICABLE))


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.PASSED, Verdict.VIOLATED], Verdict.VIOLATED),
        ([Verdict.VIOLATED, Verdict.NOT_TESTABLE], Verdict.VIOLATED),
        ([Verdict.NOT_TESTABLE, Verdict.PASSED], Verdict.NOT_TESTABLE),
        ([Verdict.NOT_APPLICABLE, Verdict.PASSED], Verdict.PASSED),
        ([Verdict.HARNESS_ERROR, Verdict.VIOLATED], Verdict.HARNESS_ERROR),
    ],
)
def test_the_worst_of_a_rows_tests_counts(verdicts: list[Verdict], expected: Verdict) -> None:
    (row,) = rows(*(("TOK-01", verdict) for verdict in verdicts))
    assert row.verdict is expected


@pytest.mark.parametrize(
    ("records", "strict", "expected"),
    [
        ([("TOK-01", Verdict.PASSED)], False, Overall.PASS),
        ([("TOK-01", Verdict.PASSED), ("SSE-05", Verdict.VIOLATED)], False, Overall.PASS),
        ([("TOK-01", Verdict.PASSED), ("SSE-05", Verdict.VIOLATED)], True, Overall.FAIL),
        ([("TOK-01", Verdict.VIOLATED)], False, Overall.FAIL),
        ([("TOK-01", Verdict.PASSED), ("TOK-02", Verdict.NOT_TESTABLE)], False, Overall.FAIL),
        ([("TOK-01", Verdict.VIOLATED), ("TOK-02", Verdict.HARNESS_ERROR)], False, Overall.ERROR),
        ([("TOK-01", Verdict.NOT_APPLICABLE)], False, Overall.ERROR),
        ([], False, Overall.ERROR),
    ],
)
def test_one_verdict(records: list[tuple[str, Verdict]], strict: bool, expected: Overall) -> None:
    assert overall(rows(*records), strict) is expected


def test_the_json_report_keeps_its_shape() -> None:
    found = rows(("TOK-04", Verdict.VIOLATED), ("SSE-05", Verdict.PASSED))
    report = json.loads(as_text(as_json(told(found))))
    assert list(report)[:5] == ["suite", "contract", "api", "target", "verdict"]
    assert list(report)[5:] == ["error", "start_here", "crashes", "situations", "start_by_hand", "rows"]
    assert (report["suite"], report["target"], report["verdict"]) == (__version__, "http://x", "fail")
    assert report["rows"] == [
        {
            "id": "SSE-05",
            "text": contract()["SSE-05"].text,
            "why": contract()["SSE-05"].why or None,
            "typical_fault": contract()["SSE-05"].typical or None,
            "level": "SHOULD",
            "profile": "core",
            "provider": None,
            "verdict": "passed",
            "seen": "seen it",
            "expected": "wanted it",
            "known": None,
            "retried": None,
            "repeat": None,
            "command": None,
        },
        {
            "id": "TOK-04",
            "text": contract()["TOK-04"].text,
            "why": contract()["TOK-04"].why or None,
            "typical_fault": contract()["TOK-04"].typical or None,
            "level": "MUST",
            "profile": "core",
            "provider": "openai",
            "verdict": "violated",
            "seen": "seen it",
            "expected": "wanted it",
            "known": None,
            "retried": None,
            "repeat": None,
            "command": None,
        },
    ]


def test_keys_are_redacted_everywhere() -> None:
    ledger = Ledger(contract())
    ledger.add([Record("ERR-04", Verdict.VIOLATED, "Authorization: Bearer abc.def-123456 and sk-secret123456", "none")])
    found = ledger.rows(["ERR-04"], lambda row, _: Record(row.id, Verdict.PASSED))
    texts = [json.dumps(as_json(told(found))), *start_here(told(found).causes)]
    reply = sse([{"error": "key sk-secret123456 is wrong"}])
    texts.append(screen(contract()["ERR-04"], Violation("sk-secret123456", "none"), reply))
    for text in texts:
        assert "secret123456" not in text
        assert "abc.def" not in text


def test_a_screen_shows_the_wire_around_the_spot() -> None:
    words = [f"word{number} " for number in range(40)]
    reply = sse([*tokens(*words), *sound()[-1:]])
    text = screen(contract()["TOK-02"], Violation("count 21", "count 20", at=120.0), reply)
    assert "TOK-02 (MUST) `count` starts at 1 and rises by 1." in text
    assert "+20000.0 ms" in text
    assert '"token": "word19 "' in text
    assert '"token": "word2 "' not in text
    assert len(text.splitlines()) < 24


def test_the_excerpt_holds_the_event_that_violates_the_row() -> None:
    """Also where a hundred events came in one read, and so at one moment."""
    events = tokens(*(f"word{number} " for number in range(100)))
    events[70]["count"] = 99
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    for reply in (sse(body=body), sse(body=body[:-2] + b"\n\ndata: [DONE]\n\n")):
        (found,) = counts_rise_by_one(reply)
        assert isinstance(found, Violation)
        lines = screen(contract()["TOK-02"], found, reply).splitlines()
        (guilty,) = [line for line in lines if line.endswith("  <-- here")]
        assert '"token": "word70 ", "count": 99' in guilty
        assert len(lines) < 24
    sent = socket([("chat_token", event) for event in events])
    (found,) = counts_rise_by_one(sent)
    assert isinstance(found, Violation)
    assert "'token': 'word70 ', 'count': 99" in screen(contract()["TOK-02"], found, sent)


def test_the_table_counts_by_group() -> None:
    found = rows(("TOK-01", Verdict.PASSED), ("TOK-02", Verdict.VIOLATED), ("SSE-01", Verdict.PASSED))
    lines = table(told(found))
    assert [line.split()[:3] for line in lines[1:]] == [["SSE", "1", "·"], ["TOK", "1", "1"], ["all", "2", "1"]]
    line = verdict_line(told(found))
    assert line == "chatproof: FAIL http://x: 2 rows passed, 1 violated in 12 s; failed: TOK-02"


def test_the_verdict_says_which_failures_do_not_count() -> None:
    """A run that passes with nothing but failures says why it passes."""
    should = rows(("SSE-05", Verdict.VIOLATED))
    assert [one.requirement.level.value for one in should] == ["SHOULD"]
    line = verdict_line(told(should, Overall.PASS))
    assert line == "chatproof: PASS http://x: no MUST row failed in 12 s; SHOULD rows not kept: SSE-05"
    line = verdict_line(
        told(rows(("SSE-05", Verdict.VIOLATED), ("TOK-02", Verdict.VIOLATED), ("TOK-01", Verdict.PASSED)))
    )
    assert "1 row passed, 1 violated in 12 s; failed: TOK-02; SHOULD rows not kept: SSE-05" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": None}, "which server"),
        ({"base_url": "ftp://x"}, "not an http"),
        ({"base_url": "http://x:99999"}, "not a URL"),
        ({"profile": ["sockets"]}, "there is no profile 'sockets'.*known: core, socketio"),
        ({"only": ["TOK-99"]}, "TOK-99; did you mean TOK-0"),
        ({"only": ["XYZ"]}, "groups: REQ, SSE"),
        ({"silence": 0.0}, "--silence: 0 is not above 0"),
    ],
)
def test_a_bad_option_is_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(ChatproofError, match=message):
        Settings.read({**OPTIONS, **options}, contract())


def test_rows_may_be_chosen_by_id_and_by_group() -> None:
    settings = Settings.read({**OPTIONS, "only": ["tok-02, CHAT", "SSE-01"], "contract": 1}, contract())
    assert settings.selected(contract()) == ["SSE-01", "TOK-02", "CHAT-01", "CHAT-02", "CHAT-03"]


def test_targets() -> None:
    assert Target.parse("localhost:5000/api/").url == "http://localhost:5000/api"
    assert Target.parse("https://chat.example").port == 443
    assert Target.parse("http://[::1]:80").authority == "[::1]"


def test_fresh_addresses_differ_and_stay_on_this_machine() -> None:
    addresses = SourceAddresses(available=True)
    many = [addresses.fresh() for _ in range(2000)]
    assert len(set(many)) == 2000
    assert all(one and one.startswith("127.") and not one.endswith((".0", ".255")) for one in many)
    assert SourceAddresses(available=False).fresh() is None
