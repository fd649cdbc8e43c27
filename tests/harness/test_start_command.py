"""A `--start` command is split into words as a shell does it, and no shell runs it."""

from __future__ import annotations

import shlex

import pytest

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.start_command import words_of
from chatproof.harness.protocol.requirements import contract


@pytest.mark.parametrize(
    ("command", "sign"),
    [
        ("server | tee log", "|"),
        ("server|tee log", "|"),
        ("server > log", ">"),
        ("server 2>>log", ">>"),
        ("server < settings", "<"),
        ("cd app && npm start", "&&"),
        ("make || server", "||"),
        ("cd app; npm start", ";"),
        ("server --port `cat port`", "`"),
        ("server --port $(cat port)", "$("),
        ("server 'a;b' | tee 'c;d'", "|"),
    ],
)
def test_what_needs_a_shell_is_refused_with_the_line_to_write_instead(command: str, sign: str) -> None:
    with pytest.raises(ChatproofError) as refusal:
        Settings.read({"start": command}, contract())
    said = str(refusal.value)
    assert len(said.splitlines()) == 1
    assert f"there is no shell, so {sign!r} would be an argument" in said
    offered = shlex.split(said.partition("write ")[2])
    assert offered[0] == "--start"
    assert words_of(offered[1]) == ["sh", "-c", command], "what is offered is accepted"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python server.py --port {port}", ["python", "server.py", "--port", "7"]),
        ("python -c 'import a; a.b > c'", ["python", "-c", "import a; a.b > c"]),
        ('server --greeting "a | b" --x=1', ["server", "--greeting", "a | b", "--x=1"]),
        (r"server a\;b", ["server", "a;b"]),
        ("server --url http://h/?a=1&b=2", ["server", "--url", "http://h/?a=1&b=2"]),
        ('sh -c "exec server | tee log"', ["sh", "-c", "exec server | tee log"]),
    ],
)
def test_quoted_signs_are_text(command: str, words: list[str]) -> None:
    Settings.read({"start": command}, contract())
    assert words_of(command, 7) == words


def test_an_open_quote_is_refused() -> None:
    with pytest.raises(ChatproofError, match=r"--start: .*no closing quotation"):
        Settings.read({"start": "python -c 'pass"}, contract())
