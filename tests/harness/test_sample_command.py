"""`chatproof api --sample`: what it prints, and what it says where it cannot."""

from __future__ import annotations

import io
import shlex
import tomllib
from pathlib import Path

import pytest

from chatproof.harness.command import main
from tests.test_documents import shown

REPLY = b'data: {"text": "Sure,"}\n\ndata: {"text": " why not?"}\n\ndata: [DONE]\n\n'


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "My sample.txt"
    path.write_bytes(REPLY)
    return path


def test_a_table_is_printed(sample: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["api", "--sample", str(sample), "--path", "/ask", "--body", '{"q": "{message}"}']) == 0
    said = capsysbinary.readouterr()
    assert said.err == b""
    assert tomllib.loads(said.out.decode())["api"] == {
        "name": "my-sample",
        "path": "/ask",
        "framing": "sse",
        "body": {"q": "{message}"},
        "text": {"pointer": "/text"},
        "end": {"mark": "[DONE]"},
    }
    assert b'"Sure, why not?" and ends' in said.out


def test_a_sample_may_come_over_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(REPLY)))
    assert main(["api", "--sample", "-"]) == 0
    assert b'name = "my-api"' in capsysbinary.readouterr().out


@pytest.mark.parametrize(
    ("data", "more", "says"),
    [
        (b"", [], "the body is empty"),
        (b'{"response": "Hi"}', [], "one JSON answer and no stream"),
        (b'data: {"id": 1}\n\n', [], "no text grows in"),
        (REPLY, ["--body", "{"], "--body: it is no JSON"),
        (REPLY, ["--body", "[]"], "--body: it is no JSON object"),
        (REPLY, ["--body", '{"q": "hello"}'], "api.body: nothing says what the user said"),
        (REPLY, ["--body", '{"q": "{message}", "x": null}'], "--body: it holds null"),
        (REPLY, ["--path", "ask"], "api.path: 'ask' is no path"),
        (REPLY, ["--name", "ai-sdk"], "api.name: 'ai-sdk' is an api that is built in"),
        (REPLY, ["--sample", "/nowhere.txt"], "cannot read /nowhere.txt"),
        (REPLY, ["--sample", "/"], "cannot read /: Is a directory"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    sample: Path, data: bytes, more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.write_bytes(data)
    assert main(["api", "--sample", str(sample), *more]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err
    assert said.err.startswith("chatproof: ")
    assert said.err.count("\n") == 1


def test_two_framings_are_no_one_api(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "lines.txt"
    other.write_bytes(b'{"text": "a"}\n{"text": "b"}\n')
    assert main(["api", "--sample", str(sample), "--sample", str(other)]) == 2
    assert "an api has one framing" in capsys.readouterr().err


def test_the_table_of_the_page_is_what_is_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The page's command on the page's samples."""
    monkeypatch.chdir(tmp_path)
    Path("sample.txt").write_text(shown("docs/apis.md", "text", "HTTP/1.1 200 OK"), encoding="utf-8")
    Path("failed.txt").write_text(shown("docs/apis.md", "text", "HTTP/1.1 200 OK", 1), encoding="utf-8")
    command = shown("docs/apis.md", "sh", "chatproof api").partition(" > ")[0]
    assert main(shlex.split(command)[1:]) == 0
    assert capsysbinary.readouterr().out.decode() == shown("docs/apis.md", "toml", "# Proposed")
