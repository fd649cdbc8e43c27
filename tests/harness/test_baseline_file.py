"""`--write-baseline`: what it adds, keeps and drops, and that people's own words stay."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.baseline import Baseline
from chatproof.harness.report.baseline_file import TODO, WrittenBaseline, written
from chatproof.harness.report.verdicts import Overall, Row, Verdict, overall

BAD, GOOD, UNTESTED = Verdict.VIOLATED, Verdict.PASSED, Verdict.NOT_TESTABLE
SHOULD = next(one.id for one in contract() if one.level.value == "SHOULD")


def row(name: str, verdict: Verdict = BAD, provider: str | None = None, seen: str = "status 500") -> Row:
    return Row(contract()[name], verdict, seen, "wanted", provider=provider)


def wrote(path: Path, rows: list[Row], strict: bool = False) -> WrittenBaseline:
    """Write the file as a run does, and check that its next run is green."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    known = Baseline.read(path if old else None, contract())
    new = written(known.applied(rows), known, contract(), old, strict)
    path.write_text(new.text, encoding="utf-8")
    again = Baseline.read(path, contract())
    marked = again.applied(rows)
    assert overall([*marked, row("TOK-01", GOOD)], strict, again.stale(marked)) is Overall.PASS
    return new


def test_failures_become_entries_in_the_contracts_order(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    rows = [row("INT-01"), row("TOK-02"), row("TOK-03", GOOD), row("ERR-02", UNTESTED), row(SHOULD)]
    new = wrote(path, random.Random(1).sample(rows, len(rows)))
    order = [one.id for one in contract()]
    assert list(new.added) == sorted(["TOK-02", "ERR-02", "INT-01"], key=order.index)
    assert [one.id for one in Baseline.read(path, contract()).known] == list(new.added)
    assert {one.reason for one in Baseline.read(path, contract()).known} == {TODO}
    assert "# seen: status 500\n" in new.text
    assert "# could not be tested: status 500\n" in new.text
    assert new.told(path) == [f"{path}: 3 added", f"{path}: 3 known failures without a reason yet; look for TODO"]


def test_should_rows_count_where_they_fail_the_run(tmp_path: Path) -> None:
    assert wrote(tmp_path / "known.toml", [row(SHOULD)], strict=True).added == (SHOULD,)


def test_nothing_new_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    rows = [row("TOK-02"), row("INT-01", seen="other words each time, 299 ms")]
    wrote(path, rows)
    before = path.read_bytes()
    new = wrote(path, [row("TOK-02", seen="something else"), row("INT-01")])
    assert (new.added, new.removed) == ((), ())
    assert path.read_bytes() == before


OWN = """\
# Our failures. Ask Ada before you add one.

# a note above an entry
[known."TOK-02"]
reason = "issue 12"   # until May

[known.INT-01]
reason = '''two
lines'''
flaky = true

# the last word
[ known . "SSE-06" ]
provider = "gemini"
reason = "it buffers"
"""


def test_what_people_wrote_stays(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(OWN, encoding="utf-8")
    new = wrote(path, [row("TOK-02"), row("INT-01", GOOD), row("REQ-01"), row("SSE-06", BAD, "gemini")])
    assert (new.added, new.removed) == (("REQ-01",), ())
    for piece in OWN.split("\n\n"):
        assert piece.strip() in new.text
    assert new.text.index("REQ-01") < new.text.index("SSE-06") < new.text.index("TOK-02") < new.text.index("INT-01")


def test_what_passes_again_goes(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(OWN, encoding="utf-8")
    new = wrote(path, [row("TOK-02", GOOD), row("SSE-06", GOOD, "openai")])
    assert new.removed == ("TOK-02",), "INT-01 was not judged, and SSE-06 is known with another provider"
    assert "a note above an entry" not in new.text
    assert new.told(path) == [f"{path}: 1 removed"]


@pytest.mark.parametrize(
    ("failing", "passing", "provider"),
    [
        (["openai", "gemini"], [], None),
        (["gemini"], ["openai"], '"gemini"'),
        (["openai", "local"], ["gemini"], '["openai", "local"]'),
    ],
)
def test_a_failure_with_some_providers_is_known_with_those(
    tmp_path: Path, failing: list[str], passing: list[str], provider: str | None
) -> None:
    path = tmp_path / "known.toml"
    rows = [row("ERR-02", BAD, name) for name in failing] + [row("ERR-02", GOOD, name) for name in passing]
    text = wrote(path, rows).text
    assert (f"provider = {provider}\n" in text) == bool(provider)
    assert text.split("[known.")[1].count("provider") == bool(provider)


def test_one_more_provider_keeps_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text('[known."ERR-02"]\nreason = "issue 9"\nprovider = "gemini"\n', encoding="utf-8")
    rows = [row("ERR-02", BAD, "gemini"), row("ERR-02", BAD, "openai"), row("ERR-02", GOOD, "local")]
    assert wrote(path, rows).added == ("ERR-02",)
    (known,) = Baseline.read(path, contract()).known
    assert (known.reason, known.providers) == ("issue 9", ("gemini", "openai"))


@pytest.mark.parametrize(
    "text",
    [
        'known = { "TOK-02" = { reason = "x" } }\n',
        '[known]\n"TOK-02" = { reason = "x" }\n',
        "[known.\"TOK-02\"]\nreason = '''\n[known.\"TOK-03\"]\n'''\n",
    ],
    ids=["inline", "one table", "a header in a text"],
)
def test_a_file_of_another_form_is_not_touched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "known.toml"
    path.write_text(text, encoding="utf-8")
    known = Baseline.read(path, contract())
    with pytest.raises(ChatproofError, match="write the baseline to a new file"):
        written([row("INT-01")], known, contract(), text, False)


def test_what_a_server_says_is_bounded_and_harmless(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    evil = 'x"]\n[known."SSE-01"]\nreason = "\x00\x7f" sk-proj-SECRET1234567890 ' + "y" * 10_000
    text = wrote(path, [row("TOK-02", seen=evil)]).text
    assert [one.id for one in Baseline.read(path, contract()).known] == ["TOK-02"]
    assert "SECRET" not in text
    assert len(text) < 1_500
