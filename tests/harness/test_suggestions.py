"""What commands say of words that nobody knows."""

from __future__ import annotations

import pytest

from chatproof.conformance.suite.stray_words import stray, unknown_option
from chatproof.harness.command import main
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract
from chatproof.loadtests.load_command import main as load


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["explain", "--lal"], "unknown option --lal; did you mean --all?"),
        (["init", "--forse"], "unknown option --forse; did you mean --force?"),
        (["init", "--ci", "gitub"], "argument --ci: there is no 'gitub'; did you mean github?"),
        (["init", "--ci", "xyz"], "invalid choice: 'xyz'"),
        (["api", "--smaple", "x"], "unknown option --smaple; did you mean --sample?"),
        (["providers", "--prot", "8089"], "unknown option --prot; did you mean --port?"),
        (["providers", "scripts", "--scipts=x"], "unknown option --scipts; did you mean --scripts?"),
        (["providers", "record", "--taget", "x"], "unknown option --taget; did you mean --target?"),
    ],
)
def test_an_unknown_option_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert line in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rnu"], "there is no 'rnu'; did you mean run?"),
        (["run", "--hots", "http://x"], "unknown option --hots; did you mean --host?"),
        (["run", "--host", "http://x", "--transport", "sockeito"], "there is no 'sockeito'; did you mean socketio?"),
        (["run", "--host", "http://x", "--zzz"], "unknown option --zzz; known: --help, --host"),
    ],
)
def test_load_tests_too(capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:
    with pytest.raises(SystemExit):
        load(words)
    assert line in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("--profle", "there is no option --profle; did you mean --profile?"),
        ("--bse_url=http://x", "there is no option --bse_url; did you mean --base-url?"),
        ("--report_html", "there is no option --report_html; did you mean --report-html?"),
        ("--junit-xlm", "did you mean --junit-xml?"),
        ("--qqqq", "`chatproof check --help` lists them all"),
    ],
)
def test_an_unknown_option_of_a_check(word: str, line: str) -> None:
    assert line in unknown_option(word)


@pytest.mark.parametrize(
    ("word", "given", "hint"),
    [
        ("http://127.0.0.1:5000", [], "--base-url http://127.0.0.1:5000"),
        ("tok-02", ["--only", "TOK-01", "tok-02"], "--only TOK-02"),
        ("SSE", ["--only", "TOK", "SSE"], "--only SSE"),
        ("server.js", ["--start", "node", "server.js"], "Quote the whole command"),
        ("node server.js", ["node server.js"], "--start 'node server.js'"),
    ],
)
def test_a_word_that_belongs_behind_an_option(word: str, given: list[str], hint: str) -> None:
    said = stray(word, given)
    assert said.startswith(f"chatproof: what is {word!r}?")
    assert hint in said


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"profile": ["perfomance"]}, "did you mean performance?"),
        ({"provider": ["openia"]}, "did you mean openai?"),
        ({"profile": ["zzz"]}, "there is no profile 'zzz'; known: core"),
        ({"api_name": "ai_sdk"}, "did you mean ai-sdk?"),
        ({"situation": "plaec=second"}, "did you mean place"),
    ],
)
def test_values_of_a_closed_set(options: dict[str, object], hint: str) -> None:
    with pytest.raises(ChatproofError) as error:
        Settings.read({"base_url": "http://127.0.0.1:1", **options}, contract())
    assert hint in str(error.value)


def test_help_for_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    whole = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == whole
    assert "\n  init " in whole
    assert main(["help", "check"]) == 0
    assert "--write-baseline FILE" in capsys.readouterr().out
