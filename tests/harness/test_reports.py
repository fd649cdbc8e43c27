"""The reports made of plain values: what they show, what they escape, what they bound."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chatproof.harness.common.redaction import conceal, redacted
from chatproof.harness.protocol.checks.pass_through import ProviderWrite
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.requirements import Level, contract
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from chatproof.harness.report import RunSummary, as_json, failure_text, remarks, unwritable, verdict_line, write_reports
from chatproof.harness.report.badge import badge
from chatproof.harness.report.evidence import MOST_POINTS, Evidence, ProviderRequest, SeenExchange, evidence
from chatproof.harness.report.failure_screen import screen
from chatproof.harness.report.markdown import escaped, markdown
from chatproof.harness.report.page import page
from chatproof.harness.report.pictures import MOST_BYTES
from chatproof.harness.report.timeline import described, timeline
from chatproof.harness.report.verdicts import Overall, Record, Row, Verdict

EVIL = '<script>alert(1)</script> "quoted" | `code` @you \x1b[31mred'
SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, slots=True)
class Paths:
    report_json: Path | None = None
    report_html: Path | None = None
    report_md: Path | None = None
    badge: Path | None = None
    server_log: Path | None = None
    write_baseline: Path | None = None


def row(name: str, verdict: Verdict, **more: object) -> Row:
    return Row(contract()[name], verdict, **{"seen": "seen it", "expected": "wanted it", **more})  # type: ignore[arg-type]


def musts() -> list[str]:
    return [one.id for one in contract() if one.level is Level.MUST]


def summary(*rows: Row, verdict: Overall = Overall.FAIL, **more: object) -> RunSummary:
    return RunSummary("http://x", verdict, rows, contract().titles, **more)  # type: ignore[arg-type]


def exchange(delay: float = 0.0, words: int = 5, end: End = End.COMPLETE, ended: str | None = "completed") -> Evidence:
    """A reply of `words` tokens, 100 ms apart, each passed on `delay` seconds late but never after the end."""
    reply = Transcript(Transport.SSE, request="POST /api/chat/stream {}", asked_at=50.0)
    reply.status, reply.answered_at = 200, 50.01
    writes = [ProviderWrite(50.1 + number / 10, f"word{number} ", 120, 1) for number in range(words)]
    for number, write in enumerate(writes):
        text = json.dumps({"token": write.text, "count": number + 1})
        reply.read(max(write.at, 50.0 + delay), f"data: {text}\n\n".encode())
    over = max(writes[-1].at, 50.0 + delay) + 0.01
    reply.ended(over, end)
    asked = ProviderRequest("openai", "hello", 200, 50.02, writes, ended, None if ended is None else over)
    return evidence("test_x", SeenExchange(reply, {"SSE-06": None}, [("SSE-06", 50.2)] if delay else []), [asked])


# -- evidence


@pytest.mark.parametrize("one", [exchange(), exchange(delay=2.0), exchange(ended=None, end=End.LEFT)])
def test_evidence_travels_as_json(one: Evidence) -> None:
    assert Evidence.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_evidence_is_bounded() -> None:
    one = exchange(words=3 * MOST_POINTS)
    assert len(one.reads) == len(one.events) == len(one.provider[0].writes) == len(one.links) == MOST_POINTS
    assert one.cut == 4 * 2 * MOST_POINTS
    assert one.reads[-1].at == pytest.approx(100 + 3 * MOST_POINTS * 100 - 100)
    assert len(json.dumps(one.to_json())) < 200_000


def test_links_lead_from_each_write_to_its_read() -> None:
    assert all(link.read == link.written for link in exchange().links)
    held = exchange(delay=2.0)
    assert [link.written for link in held.links] == pytest.approx([100, 200, 300, 400, 500])
    assert {link.read for link in held.links} == {2000.0}


def test_no_links_where_the_client_read_something_else() -> None:
    reply = Transcript(Transport.SSE, asked_at=1.0)
    reply.read(1.2, b'data: {"token":"other","count":1}\n\n')
    asked = ProviderRequest("openai", "hello", 200, 1.0, [ProviderWrite(1.1, "words", 9, 1)], "completed", 1.3)
    assert evidence("test_x", SeenExchange(reply), [asked]).links == ()


def test_a_client_of_sockets_has_reads_too() -> None:
    reply = Transcript(Transport.WEBSOCKET, request="emit chat_stream", asked_at=1.0)
    reply.event(1.5, "chat_token", {"token": "a", "count": 1})
    one = evidence("test_x", SeenExchange(reply))
    assert [(point.at, point.text) for point in one.reads] == [(500.0, "chat_token")]
    assert "1 reads at 500 ms" in described(one)


# -- the picture


def drawn(one: Evidence) -> ElementTree.Element:
    return ElementTree.fromstring(timeline(one).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def marks(picture: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [one for one in picture.iter() if one.get("class") == kind]


def test_a_picture_shows_buffering() -> None:
    sound, held = drawn(exchange()), drawn(exchange(delay=2.0))
    assert (len(marks(sound, "link late")), len(marks(sound, "link"))) == (0, 5)
    assert len(marks(held, "link late")) == 5
    assert len(marks(held, "write")) == 5
    assert [one.get("data-points") for one in marks(held, "read")] == ["5"]
    assert [one.text for one in marks(held, "word count")] == ["5 tokens"]
    assert [one.text for one in marks(held, "word spot")] == ["SSE-06"]


def test_a_picture_shows_a_provider_that_goes_on_for_nobody() -> None:
    left = replace(exchange(ended=None, end=End.LEFT), end_at=150.0, until=3000.0)
    picture = drawn(left)
    (area,) = marks(picture, "aftermath")
    assert float(str(area.get("width"))) > 700
    assert [one.text for one in marks(picture, "word left")] == ["the client left"]
    assert [one.text for one in marks(picture, "word bad")] == ["not over when the test ended"]
    gone = left.provider[0]
    stopped = replace(left, provider=(replace(gone, ended="client_closed", ended_at=152.0),))
    assert not [area for area in marks(drawn(stopped), "aftermath") if float(str(area.get("width"))) > 10]


def test_a_provider_that_was_not_asked_is_told_from_one_that_nobody_sees() -> None:
    alone = replace(exchange(), provider=(), links=())
    assert "was not asked" not in timeline(alone)
    assert "was not asked" in timeline(replace(alone, until=900.0))


@pytest.mark.parametrize("end", list(End))
def test_every_end_can_be_drawn(end: End) -> None:
    picture = drawn(exchange(end=end))
    assert bool(marks(picture, "cross")) == (end not in (End.COMPLETE, End.LEFT))


def test_an_exchange_with_nothing_can_be_drawn() -> None:
    reply = Transcript(Transport.SSE, request="GET /", asked_at=1.0)
    reply.ended(1.0, End.REFUSED, "Connection refused")
    assert "NaN" not in timeline(evidence("test_x", SeenExchange(reply)))


# -- the page


def test_a_page_escapes_what_servers_say() -> None:
    one = replace(exchange(), request=EVIL, outcome=EVIL, fault=EVIL, test=EVIL, end="reset")
    text = page(summary(row("SSE-06", Verdict.VIOLATED, seen=EVIL, expected=EVIL, screens=(EVIL,)), evidence=[one]))
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert text.count("<script>") == 1
    assert not re.search(r'(?:src|href)="(?!#|data:)', text)


def test_a_page_names_all_that_is_known_of_a_row() -> None:
    known = row("SSE-06", Verdict.VIOLATED, provider="gemini", known="ticket 12")
    text = page(summary(known, verdict=Overall.PASS, stale=["TOK-01 passes now"], strict=True))
    for word in ("Passed", "gemini", "ticket 12", "without an effect", "TOK-01 passes now", "wanted it"):
        assert word in text
    assert contract()["SSE-06"].why[:20] in text


def test_a_page_stays_small() -> None:
    names = [one.id for one in contract()][:60]
    big = [replace(exchange(words=400, delay=9.0), test=f"t{name}", ids=(name,)) for name in names]
    text = page(summary(*(row(name, Verdict.PASSED) for name in names), evidence=big))
    assert "would grow too large" in text
    assert len(text) < MOST_BYTES * 1.2


def test_a_page_draws_one_exchange_for_a_cause() -> None:
    """Five rows that saw the same have one picture, and lead to it."""
    names = ("TOK-01", "TOK-02", "TOK-03", "TOK-04", "TOK-05")
    shown = [replace(exchange(delay=2.0), ids=(name,), spots=()) for name in (*names, *names)]
    rows = [row(name, Verdict.VIOLATED, only_over="polling") for name in names]
    text = page(summary(*rows, evidence=shown))
    assert text.count('<svg class="timeline"') == 1
    assert text.count("the same root cause") == 4


def test_an_answer_in_one_piece_has_no_picture_and_its_body_is_open() -> None:
    reply = Transcript(Transport.SSE, request="POST /api/chat {}", asked_at=1.0)
    reply.status, reply.headers = 404, [("content-type", "application/json")]
    reply.read(1.1, b'{"error": "no such route"}')
    reply.ended(1.2, End.COMPLETE)
    one = evidence("test_x", SeenExchange(reply, {"CHAT-01": None}, [("CHAT-01", 1.1)]))
    failed = row("CHAT-01", Verdict.VIOLATED, screens=("the body: no such route", "another"))
    text = page(summary(failed, evidence=[one]))
    assert '<svg class="timeline"' not in text
    assert re.findall(r'<details class="fold"( open)?><summary>as the terminal', text) == [" open", ""]
    picture = page(summary(row("SSE-06", Verdict.VIOLATED, screens=("screen",)), evidence=[exchange(delay=2.0)]))
    assert re.findall(r'<details class="fold"( open)?><summary>as the terminal', picture) == [""]


def test_a_page_begins_with_where_to_start_and_a_line_for_each_failure() -> None:
    rows = [row("SSE-06", Verdict.VIOLATED, provider="openai"), row("TOK-01", Verdict.NOT_TESTABLE)]
    text = page(summary(*rows, row("SSE-01", Verdict.PASSED)))
    places = [text.index(word) for word in ("Start here", "All failures", "<h2>Groups", "<h2>Failures", 'id="SSE-01"')]
    assert places == sorted(places)
    assert re.findall(r'<li><a href="#([^"]+)">', text) == ["TOK-01", "SSE-06-openai"], "what hurts most first"
    assert "All failures" not in page(summary(row("SSE-01", Verdict.PASSED), verdict=Overall.PASS))


def test_one_exchange_is_drawn_once_for_rows_that_passed() -> None:
    one = replace(exchange(), ids=("TOK-01", "TOK-02"))
    text = page(summary(row("TOK-01", Verdict.PASSED), row("TOK-02", Verdict.PASSED), evidence=[one]))
    assert text.count('<svg class="timeline"') == 1
    assert 'href="#TOK-01"' in text


def test_a_provider_shows_its_own_exchanges() -> None:
    lanes = [replace(exchange(), lane=lane, test=f"test_{lane}") for lane in ("openai", "gemini")]
    text = page(summary(row("SSE-06", Verdict.VIOLATED, provider="gemini"), evidence=lanes))
    assert "test_gemini" in text
    assert "test_openai" not in text


# -- Markdown and the badge


def test_markdown_tells_failures_and_counts() -> None:
    failed = row("SSE-06", Verdict.VIOLATED, seen=EVIL, screens=("one\n```\ntwo",), provider="local")
    text = markdown(summary(failed, row("TOK-01", Verdict.PASSED), row("REQ-05", Verdict.VIOLATED)))
    assert text.startswith("## chatproof ❌ failed: `http://x`")
    line = next(line for line in text.splitlines() if line.startswith("| **SSE"))
    assert line.startswith(r"| **SSE\-06 \(local\)** | MUST | violated | &lt;script&gt;alert\(1\)")
    assert len(re.findall(r"(?<!\\)\|", line)) == 6
    assert "@you" not in line
    assert "````text\none\n```\ntwo\n````" in text
    assert text.index("### Failures") < text.index("### Not kept, without an effect") < text.index("### Groups")
    assert "| TOK Token events" in text


def test_rows_with_one_reason_share_a_line_of_markdown() -> None:
    rows = [row(name, Verdict.NOT_TESTABLE, seen="no server", expected="") for name in musts()[:5]]
    lines = [line for line in markdown(summary(*rows)).splitlines() if line.startswith("| **")]
    assert [line.count("REQ") for line in lines] == [5]


def test_many_rows_that_could_not_be_tested_are_folded() -> None:
    rows = [row(name, Verdict.NOT_TESTABLE) for name in musts() if name != "SSE-06"]
    text = page(summary(row("SSE-06", Verdict.VIOLATED), *rows))
    assert len(rows) > 40
    assert re.findall(r'id="([^"]+)"[^>]* open>', text) == ["SSE-06"]


def test_what_a_server_says_is_shown_as_it_is() -> None:
    """Backticks and spaces are data, not marks."""
    said = row("SSE-06", Verdict.VIOLATED, seen="'`back`  and   more'")
    assert "&#x27;`back`  and   more&#x27;</dd>" in page(summary(said))
    assert r"'\`back\`&nbsp; and&nbsp;&nbsp; more'" in markdown(summary(said))
    assert markdown(RunSummary("http://x/`y`", Overall.PASS, (), {})).startswith(
        r"## chatproof ✅ passed: <code>http:" + "\u200b" + r"//x/\`y\`</code>"
    )


def test_every_report_names_the_api() -> None:
    """Unless it is the API document's own; JSON names that one too."""
    kept = row("TOK-04", Verdict.PASSED)
    made_up, own = summary(kept, api="made-up"), summary(kept)
    for told in (page, markdown, verdict_line):
        assert re.sub(r"\\", "", told(made_up)).count("api: made-up") == 1
        assert "api: " not in told(own)
    assert [as_json(one)["api"] for one in (made_up, own)] == ["made-up", "chat-stream"]


def test_markdown_escapes() -> None:
    assert escaped("a\n*b* [c](d) <e> #1 $x$") == r"a \*b\* \[c\]\(d\) &lt;e&gt; \#1 \$x\$"


@pytest.mark.parametrize(
    ("verdict", "text", "color"),
    [
        (Overall.PASS, "1 passed", "#2b7a3e"),
        (Overall.FAIL, "1 failed, 1 passed", "#b3261e"),
        (Overall.ERROR, "not judged", "#5f6670"),
    ],
)
def test_badges(verdict: Overall, text: str, color: str) -> None:
    rows = [row("TOK-01", Verdict.PASSED)] + [row("TOK-02", Verdict.VIOLATED)] * (verdict is Overall.FAIL)
    picture = ElementTree.fromstring(badge(summary(*rows, verdict=verdict)))
    assert [one.text for one in picture.iter(f"{SVG}text")] == ["chatproof", text]
    assert color in [one.get("fill") for one in picture.iter(f"{SVG}rect")]


# -- the console


def test_a_failed_test_shows_three_screens_of_a_row() -> None:
    records = [Record("INT-01", Verdict.VIOLATED, screen=f"screen {number}") for number in range(20)]
    text = failure_text([*records, Record("INT-02", Verdict.VIOLATED, "seen", screen="other")])
    lines = text.splitlines()
    assert lines[:4] == ["screen 0", "screen 1", "screen 2", "… and 17 more findings of INT-01"]
    assert lines.index("other") > 4
    assert lines.count(f"  typical fault: {contract()['INT-01'].typical}") == 1


def test_why_and_the_typical_fault_of_a_violated_row_are_in_every_report() -> None:
    violated, one = row("SSE-06", Verdict.VIOLATED), contract()["SSE-06"]
    told = summary(violated)
    assert markdown(told).count(f"- *Why:* {one.why}\n- *Typical fault:* {one.typical}\n") == 1
    (found,) = as_json(told)["rows"]
    assert (found["text"], found["why"], found["typical_fault"]) == (one.text, one.why, one.typical)
    text = failure_text([Record("SSE-06", Verdict.VIOLATED, screen="screen")])
    assert text.splitlines() == ["screen", f"  why: {one.why}", f"  typical fault: {one.typical}"]
    assert "typical fault" not in failure_text([Record("SSE-06", Verdict.HARNESS_ERROR, "why", screen="screen")])


def test_a_screen_is_bounded_and_in_order() -> None:
    reply = Transcript(Transport.WEBSOCKET, request="emit", asked_at=1.0)
    reply.ended(1.2, End.LEFT)
    reply.event(1.1, "chat_token", {"token": "\x1b[2Jx" * 500})
    text = screen(contract()["SIO-03"], Violation("long\nseen " * 900, "none"), reply)
    lines = text.splitlines()
    assert len(lines) < 40
    assert "\x1b" not in text
    assert max(map(len, lines)) < 1_100
    assert [line.split()[0] for line in lines[-3:]] == ["+0.0", "+100.0", "+200.0"]


def test_a_screen_says_what_the_provider_did() -> None:
    reply = Transcript(Transport.SSE, request="POST /", asked_at=1.0)
    violation = Violation("no error", "an error")
    does = 'drop-mid ("Three tokens, then the response ends cleanly")'
    lines = screen(contract()["ERR-03"], violation, reply, does).splitlines()
    assert f"  provider: plays {does}" in lines
    assert "provider:" not in screen(contract()["ERR-03"], violation, reply)


def test_known_failures_are_named_in_the_console() -> None:
    rows = [row("INT-01", Verdict.VIOLATED, provider="gemini", known="ticket 12"), row("TOK-01", Verdict.PASSED)]
    assert remarks(rows) == ["INT-01 (gemini) violated, known: ticket 12: seen it; expected wanted it"]
    line = verdict_line(summary(*rows))
    assert line.endswith("; known failures: INT-01 (gemini)")


# -- redaction


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def-SECRET99",
        "'authorization': 'Basic SECRET99=='",
        "Proxy-Authorization: Basic SECRET99",
        "('set-cookie', 'session=SECRET99; Path=/')",
        "Cookie: a=SECRET99; b=SECRET99",
        '{"api_key": "SECRET99"}',
        "key sk-proj-SECRET99",
        "AIzaSyA-0123456789SECRET99",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJTRUNSRVQifQ.SECRET99",
        "JWT_SECRET=SECRET99",
        "a secret told before: told-SECRET99",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    conceal(["told-SECRET99", None, ""])
    assert "SECRET99" not in redacted(text)
    assert "[redacted]" in redacted(text)
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "Access-Control-Allow-Headers lists authorization, content-type",
        "no Authorization header was sent",
        "the bearer of news",
        "POST /api/chat/stream {'token': 'hello'}",
        "two\nlines\tand a tab",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redacted(text) == text


# -- the files


def test_a_report_that_cannot_be_written_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    paths = Paths(tmp_path / "a" / "r.json", tmp_path / "file" / "r.html", tmp_path / "r.md", tmp_path / "b.svg")
    assert re.fullmatch(r"--report-html: cannot write .*r\.html: .*", unwritable(paths))
    assert not (tmp_path / "a").exists()
    (problem,) = write_reports(paths, summary(row("TOK-01", Verdict.PASSED)))
    assert problem.startswith("--report-html: cannot write")
    assert sorted(one.name for one in tmp_path.rglob("*.*")) == ["b.svg", "r.json", "r.md"]


@pytest.mark.parametrize("make", [page, markdown])
def test_lone_surrogates_of_a_server_can_be_written(make: Callable[[RunSummary], str], tmp_path: Path) -> None:
    told = summary(row("SSE-03", Verdict.VIOLATED, seen="half \ud800 a character"))
    assert "half" in make(told)
    paths = Paths(tmp_path / "r.json", tmp_path / "r.html", tmp_path / "r.md")
    assert write_reports(paths, told) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert unwritable(Paths(badge=tmp_path)).endswith("it is a directory")
    assert unwritable(Paths(badge=tmp_path / "new" / "b.svg")) == ""
    assert unwritable(Paths(server_log=tmp_path)) == f"--server-log: cannot write {tmp_path}: it is a directory"


def test_a_row_that_passed_when_tried_again_alone_is_told_quietly() -> None:
    told = summary(row("TOK-02", Verdict.PASSED, retried="nothing for 10.0 s"), row("TOK-04", Verdict.PASSED))
    assert remarks(told.rows) == ["TOK-02 passed when tried again alone; beside other tests: nothing for 10.0 s"]
    assert [one["retried"] for one in as_json(told)["rows"]] == ["nothing for 10.0 s", None]
    assert "Passed when tried again alone: TOK\\-02." in markdown(told)
