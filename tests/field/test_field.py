"""The page of `make field`, what it refuses to publish, its lock files and its scripts. Nothing is installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.protocol.requirements import contract
from field import __main__ as command
from field import judging
from field.judged import CANNOT_TELL, FieldRow, Judged, Shown
from field.judging import REPRO, show
from field.page import page, unproven
from field.public_servers import FIELD, SERVERS, PublicServer

SERVER = PublicServer(
    "thing", "A thing", "litellm", ("thing",), ("litellm",), "openai-chat", "/v1", exempt={"API-03": "it reads nothing"}
)
ROWS = [
    FieldRow("SSE-01", "MUST", "passed", ""),
    FieldRow("ERR-03", "MUST", "violated", "a completion: {…}"),
    FieldRow("API-03", "MUST", "violated", "status 500"),
    FieldRow("INT-02", "SHOULD", "not applicable", "it keeps replies running"),
]
SAID = "the client got 'stop' | and no error"


@pytest.fixture(autouse=True)
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a script of the server, in place of field/repro."""
    folder = tmp_path / "repro"
    folder.mkdir()
    monkeypatch.setattr(judging, "REPRO", folder)
    monkeypatch.setattr("field.page.ROOT", tmp_path)
    (folder / "thing-ERR-03.py").write_text('"""See https://github.com/some/thing/issues/7"""\n')
    return folder


def record(**scripts: Shown) -> dict[str, Judged]:
    shown = {name.replace("_", "-"): one for name, one in scripts.items()}
    return {"thing": Judged("thing", "2026-11-30", "0.1.0", {"litellm": "1.2.3"}, ROWS, shown)}


def test_the_page_says_what_each_script_saw() -> None:
    judged = record(ERR_03=Shown(1, SAID))
    assert unproven(judged, [SERVER]) == []
    lines = page(judged, [SERVER], "20.1").splitlines()
    assert "| [A thing](#a-thing) | litellm 1.2.3 | openai-chat | 1 | 1 | 0 | 2 |" in lines
    assert "**Kept** (1): SSE-01." in lines
    told = "[thing#7](https://github.com/some/thing/issues/7)"
    said = SAID.replace("|", r"\|")
    assert f"| ERR-03 | {said} | [thing-ERR-03.py](../repro/thing-ERR-03.py) | {told} |" in lines
    assert "- INT-02: it keeps replies running" in lines
    assert "- API-03: it reads nothing" in lines


@pytest.mark.parametrize(
    ("judged", "says"),
    [
        ({}, "thing: not judged yet"),
        (record(), "its script was not run"),
        (record(ERR_03=Shown(0, "all is well")), "its script ended with exit code 0: all is well"),
        (record(ERR_03=Shown(2, "cannot tell")), "its script ended with exit code 2: cannot tell"),
        (record(ERR_03=Shown(1, "")), "its script ended with exit code 1: no word"),
    ],
)
def test_what_no_script_shows_is_not_published(judged: dict[str, Judged], says: str) -> None:
    (line,) = unproven(judged, [SERVER])
    assert says in line


def test_a_violated_row_without_a_script_is_not_published(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (scripts / "thing-ERR-03.py").unlink()
    monkeypatch.setattr(command, "SERVERS", (SERVER,))
    record(ERR_03=Shown(1, SAID))["thing"].write(tmp_path / "records" / "thing.json")
    report = tmp_path / "field.md"
    assert command.main(["--dir", str(tmp_path), "--report", str(report), "page"]) == 1
    assert not report.exists()
    assert "field/repro/thing-ERR-03.py is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--dir", str(FIELD / "x"), "page"], "lies in the checkout"),
        (["nobody"], "there is no server 'nobody'; there are litellm, "),
        (["repro", "nothing"], "name one script: "),
    ],
)
def test_bad_usage_gets_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == 4
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_a_record_that_is_none_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "records" / f"{SERVERS[0].name}.json"
    path.parent.mkdir()
    path.write_text('{"rows": [{"id": 1}]}')
    assert command.main(["--dir", str(tmp_path), "--report", str(tmp_path / "field.md"), "page"]) == 1
    assert f"{path}: not a record of a judged server" in capsys.readouterr().err


def test_the_locks_name_versions_and_no_host() -> None:
    for folder in {server.glue for server in SERVERS}:
        if (python := folder / "requirements.txt").is_file():
            lines = python.read_text(encoding="utf-8").splitlines()
            assert all(line.count("==") == 1 and "://" not in line for line in lines), python
        else:
            text = (folder / "package-lock.json").read_text(encoding="utf-8")
            package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
            assert "resolved" not in text
            assert json.loads(text)["packages"][""]["dependencies"] == package["dependencies"]
    for server in SERVERS:
        assert set(server.versions()) == set(server.shown)
        assert set(server.exempt) <= {row.id for row in contract()}


def test_a_server_that_resumes_replies_is_judged_so() -> None:
    for server in SERVERS:
        words = server.judged_as
        assert ("resume" in words) == bool(server.table)
        api = ApiChoice.of({"api_name": words[1]}).api
        assert (api.name, bool(api.resume), bool(api.stop)) == (server.api, bool(server.table), bool(server.table))


def test_each_script_is_of_a_server_and_a_row() -> None:
    for script in REPRO.glob("*-*"):
        name, _, number = script.stem.rpartition("-")
        name, _, group = name.rpartition("-")
        assert name in {server.name for server in SERVERS}, script
        assert f"{group}-{number}" in {row.id for row in contract()}, script


@pytest.mark.parametrize(
    ("variant", "code"), [("openai-chat-takes-a-cut-for-the-end", 1), ("openai-chat-as-proxies-do", 0)]
)
def test_a_script_tells_a_fault_from_a_mended_server(variant: str, code: int) -> None:
    server = [sys.executable, "-m", "tests.servers.run_server", "--variant", variant, "--port", "{port}"]
    shown = show(REPRO / "litellm-ERR-03.py", server)
    assert (shown.code, shown.said.startswith("the provider's stream broke off")) == (code, True), shown.said


def test_a_script_that_fails_itself_shows_nothing(scripts: Path) -> None:
    script = scripts / "thing-ERR-03.py"
    script.write_text("raise KeyError('finish_reason')\n")
    assert show(script, ["true"]).code == CANNOT_TELL
