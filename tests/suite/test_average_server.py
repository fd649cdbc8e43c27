"""A server of an average developer, in Express, socket.io and openai, and start commands with a wrong file name: what a
person reads."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.clients.node import needs
from tests.suite.running import ERROR, FAIL
from tests.suite.test_running import run

# of the contract's first revision; in seconds, since both servers wait for their provider for ever
IMPATIENT = ("--contract", "1", "--silence", "5", "--provider-timeout", "6")
JS = Path(__file__).parent / "js"
CAUSE = "TypeError: Cannot destructure property 'message' of 'payload' as it is undefined."
ASK = 'emit("chat_stream") without a payload'
TRUE = {
    "SIO-05": "an empty payload ends the process",
    "SES-09": "whoever names no session shares `default`",
    "INT-01": "it never cancels",
    "INT-02": "it never cancels",
    "INT-03": "it never cancels",
    "INT-09": "it never cancels",
    "ERR-03": "the openai client takes a clean early end for a whole reply",
    "SIO-08": "the openai client takes a clean early end for a whole reply",
    "ERR-04": "Express shows the stack of an error while NODE_ENV is not production",
    "ERR-06": "it waits for its provider for ever",
    "REQ-03": "a number as `message` is passed on",
    "REQ-04": "Express decodes what is not UTF-8",
    "REQ-05": "Express answers a bad body with a page of HTML",
    "REQ-06": "a blank message is passed on",
    "SIO-11": "two replies on one socket mix",
}
"""The rows that it violates, and the mistake that each shows."""


@needs("express", JS)
def test_a_full_run_tells_an_average_developer_what_to_mend(tmp_path: Path) -> None:
    """The crash with Node's own error line and the ask that triggers it, the shared session, and nothing that is not
    true."""
    files = {name: tmp_path / f"report.{name}" for name in ("md", "html", "xml")}
    reports = ("--report-md", files["md"], "--report-html", files["html"], "--junit-xml", files["xml"])
    words = ("--start", f"node {JS / 'average_server.js'}", "--provider", "openai", "--profile", "socketio", *IMPATIENT)
    log = ("--server-log", str(tmp_path / "server.log"))
    code, output, rows = run(tmp_path, *words, *map(str, reports), *log)
    assert code == FAIL, output
    found = {row["id"]: row for row in rows}
    assert {row["id"] for row in rows if row["verdict"] == "violated"} == set(TRUE), output
    assert [row["id"] for row in rows if row["verdict"] == "not testable"] == [], output
    assert len(output.splitlines()) <= 100
    blocks = "\n".join(line for line in output.splitlines() if re.match(r"\d+\. |- ", line))
    assert [name for name in TRUE if name not in blocks] == []  # every cause is in it
    assert "Nobody else may read this" in found["SES-09"]["seen"]
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    (crash,) = document["crashes"]
    assert (crash["how"], crash["row"]) == ("exit code 1", "SIO-05")
    assert crash["ask"].startswith(ASK)
    assert (document["start_here"][0]["rows"], CAUSE in document["start_here"][0]["seen"]) == (["SIO-05"], True)
    told = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    told["terminal"] = output
    told["xml"] = " ".join(one.text or "" for one in ElementTree.fromstring(told["xml"]).iter("failure"))
    for name, text in told.items():
        assert "Cannot destructure property" in text, name
        assert "without a payload" in text, name
    assert (tmp_path / "server.log").read_text(encoding="utf-8").count(CAUSE) == 2  # and when it was sent again, alone


WORKER = {
    "REQ-03": "a null as `message` ends its worker",
    "REQ-09": "GET is a 501",
    "SSE-10": "it says nothing of caches",
    "END-02": "its completion has three of the fields",
    "END-07": "no `user`",
    "END-08": "no `timestamp`",
    "ERR-03": "it takes a clean early end for a whole reply",
    "SES-01": "it has no routes for sessions",
    "SES-04": "the same",
    "SES-05": "the same",
    "SES-06": "the same",
    "SES-10": "the same: they are a 501",
    "SES-14": "the same",
    "SES-09": "whoever names no session shares `default`",
    "INT-02": "it notices a client's leaving with the next token",
}
UNSEEN = {"END-05", "END-06", "SES-02", "SES-03", "SES-13"}  # for want of `duration`, and of the routes for sessions


def test_a_full_run_finds_what_ends_a_python_worker(tmp_path: Path) -> None:
    """Another one takes its place; all rows are judged all the same."""
    server = f"{sys.executable} -m tests.suite.dying_server --port {{port}} --worker"
    words = ("--start", server, "--provider", "openai", "--profile", "core", *IMPATIENT)
    code, output, rows = run(tmp_path, *words)
    assert code == FAIL, output
    assert {row["id"] for row in rows if row["verdict"] == "violated"} == {*WORKER, "ERR-06"}, output
    assert {row["id"] for row in rows if row["verdict"] == "not testable"} == UNSEEN, output
    assert len(output.splitlines()) <= 100
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    (crash,) = document["crashes"]
    assert (crash["how"], crash["row"], crash["then"]) == (
        "a worker process ended",
        "REQ-03",
        "the server came back by itself",
    )
    first = output.index("Start here")
    for text in ('"message": null', "AttributeError: 'NoneType' object has no attribute 'strip'", "Repeat: curl -iN"):
        assert text in output[first : first + 1_500], output
    others = [one["seen"] for one in document["start_here"] if "REQ-03" not in one["rows"]]
    assert not any("AttributeError" in seen for seen in others)


NO_SUCH = [
    pytest.param("python", "can't open file", id="python"),
    pytest.param("node", "Error: Cannot find module", id="node", marks=needs("express", JS)),
]


@pytest.mark.parametrize(("runtime", "says"), NO_SUCH)
def test_a_wrong_file_name_is_one_clear_line(runtime: str, says: str, tmp_path: Path) -> None:
    """With the server's own error, an exit code, and reports that say the same."""
    program = sys.executable if runtime == "python" else runtime
    page = tmp_path / "report.html"
    code, output, rows = run(tmp_path, "--start", f"{program} sevrer.file", "--report-html", str(page))
    assert (code, {row["verdict"] for row in rows}) == (ERROR, {"not testable", "not applicable"}), output
    (line,) = [line for line in output.splitlines() if says in line]
    assert "before it listened on port" in line
    assert "sevrer.file" in line
    assert "Traceback" not in output
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (document["verdict"], says in document["error"]) == ("error", True)
    assert "before it listened on port" in page.read_text(encoding="utf-8")
