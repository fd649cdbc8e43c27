"""Known failures: they do not gate, they are told, and they do not outlive themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.baseline import Baseline
from chatproof.harness.report.verdicts import Ledger, Overall, Record, Row, Verdict, overall

PROVIDERS = ("openai", "gemini")


def baseline(tmp_path: Path, text: str) -> Baseline:
    path = tmp_path / "known.toml"
    path.write_text(text, encoding="utf-8")
    return Baseline.read(path, contract())


def rows(**verdicts: Verdict) -> list[Row]:
    """Rows of ERR-02, judged with both providers."""
    ledger = Ledger(contract())
    ledger.add(Record("ERR-02", verdict, "seen", provider=name) for name, verdict in verdicts.items())
    return ledger.rows(["ERR-02"], lambda row, _: Record(row.id, Verdict.NOT_APPLICABLE), PROVIDERS)


BAD, GOOD, NOT = Verdict.VIOLATED, Verdict.PASSED, Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("entry", "openai", "gemini", "verdict", "stale"),
    [
        ("", BAD, GOOD, Overall.PASS, 0),
        ("", BAD, Verdict.NOT_TESTABLE, Overall.PASS, 0),
        ("", GOOD, GOOD, Overall.FAIL, 1),
        ("", Verdict.HARNESS_ERROR, GOOD, Overall.ERROR, 0),
        ('provider = "gemini"', GOOD, BAD, Overall.PASS, 0),
        ('provider = "gemini"', BAD, BAD, Overall.FAIL, 0),
        ('provider = "gemini"', BAD, GOOD, Overall.FAIL, 1),
        ('provider = "gemini"', GOOD, NOT, Overall.PASS, 0),
        ('provider = ["gemini", "local"]', GOOD, BAD, Overall.PASS, 0),
        ('provider = ["gemini", "local"]', BAD, BAD, Overall.FAIL, 0),
        ('provider = ["openai", "gemini"]', BAD, BAD, Overall.PASS, 0),
        ("flaky = true", GOOD, GOOD, Overall.PASS, 0),
        ("flaky = true", GOOD, BAD, Overall.PASS, 0),
    ],
)
def test_what_gates(tmp_path: Path, entry: str, openai: Verdict, gemini: Verdict, verdict: Overall, stale: int) -> None:
    known = baseline(tmp_path, f'[known."ERR-02"]\nreason = "ticket 12"\n{entry}\n')
    found = known.applied(rows(openai=openai, gemini=gemini))
    lines = known.stale(found)
    assert overall(found, False, lines) is verdict
    assert len(lines) == stale
    assert all("remove it" in line and "known.toml" in line for line in lines)
    assert {row.known for row in found} <= {None, "ticket 12"}


def test_a_row_names_its_provider() -> None:
    found = rows(openai=GOOD, gemini=BAD)
    assert [(row.name, row.verdict) for row in found] == [("ERR-02 (openai)", GOOD), ("ERR-02 (gemini)", BAD)]


def test_a_row_without_a_provider_is_there_once_and_says_where_it_failed() -> None:
    ledger = Ledger(contract())
    ledger.add([Record("TOK-01", GOOD, provider="openai"), Record("TOK-01", BAD, "count", provider="gemini")])
    (row,) = ledger.rows(["TOK-01"], lambda row, _: Record(row.id, NOT), PROVIDERS)
    assert (row.name, row.verdict, row.seen) == ("TOK-01", BAD, "count (with gemini)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[known."ERR-99"]\nreason = "x"', "no row has this id; did you mean ERR-0"),
        ('[known."ERR-02"]', "has no reason"),
        ('[known."ERR-02"]\nreason = "  "', "has no reason"),
        ('[known."ERR-02"]\nreasn = "x"', "unknown key 'reasn'"),
        ('[known."ERR-02"]\nreason = "x"\nprovider = "mistral"', "'mistral' is not one of"),
        ('[known."ERR-02"]\nreason = "x"\nprovider = ["gemini", 3]', "3 is not one of"),
        ('[known."ERR-02"]\nreason = "x"\nprovider = []', "names none"),
        ('[known."TOK-01"]\nreason = "x"\nprovider = "gemini"', "judged once"),
        ('[known."ERR-02"]\nreason = "x"\nflaky = 1', "flaky is true or false"),
        ('[knwon."ERR-02"]\nreason = "x"', "'knwon' is not known here"),
        ('known = {"ERR-02" = "x"}', "is not a table"),
        ("known = \n", "line 1"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ChatproofError) as caught:
        baseline(tmp_path, text)
    assert words in str(caught.value)
    assert "known.toml" in str(caught.value)
    assert "\n" not in str(caught.value)
