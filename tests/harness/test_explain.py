"""`chatproof explain`: what it prints of a row, of a group and of the whole contract."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chatproof.harness.command import main
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report import explanation


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["explain", *words]) == 0
    return capsys.readouterr().out


def test_a_row_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    text = explained(capsys, "sse-06")
    row = contract()["SSE-06"]
    assert text.startswith("SSE-06  MUST  profile core\n")
    told = " ".join(text.split())
    for part in (row.text, row.why, row.how, row.typical):
        assert part
        assert " ".join(part.split()) in told
    assert "needs the fake providers behind the server" in told
    assert text.endswith('chatproof check --only SSE-06 --start "COMMAND {port}"\n')


def test_a_row_that_needs_no_provider_is_run_by_url(capsys: pytest.CaptureFixture[str]) -> None:
    name = next(row.id for row in contract() if not row.needs_provider and "cors" in row.profiles)
    assert f"chatproof check --only {name} --profile cors --base-url URL" in explained(capsys, name)


def test_a_row_without_a_test_has_no_command() -> None:
    text = explanation.explained(replace(contract()["TOK-01"], how="", excluded="Nobody can see it."))
    assert "not tested:    Nobody can see it." in text
    assert "chatproof check" not in text


def test_a_group_is_explained_row_by_row(capsys: pytest.CaptureFixture[str]) -> None:
    text = explained(capsys, "TOK", "TOK-01", "END-01")
    first = [line.split()[0] for line in text.splitlines() if line[:1].isupper()]
    assert first == [*(row.id for row in contract().group("TOK")), "END-01"]


@pytest.mark.parametrize(("word", "hint"), [("SSE-77", "did you mean SSE-0"), ("TOKS", "TOK"), ("?", "groups: REQ")])
def test_an_unknown_id_gets_a_suggestion(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", word]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith(f"chatproof: explain: no row or group has the id {word.upper()}; ")
    assert hint in line


def test_no_id_names_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 2
    assert "groups: REQ, SSE, TOK" in capsys.readouterr().err


def test_the_contract_page_comes_with_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """The page of an installed chatproof is the text of docs/contract.md."""
    from tests.test_documents import text_of

    assert explained(capsys, "--all") == text_of("docs/contract.md")
