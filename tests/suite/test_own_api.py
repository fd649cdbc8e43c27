"""docs/apis.md from the captured sample to the verdict, as it stands there, with a server that knows no table."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from chatproof.conformance.suite.first_ask import doubt_of_table
from chatproof.fake_providers.server.fake_server import FakeServer
from chatproof.harness.protocol.apis.api_table import read_table
from chatproof.harness.protocol.apis.captured_reply import CapturedReply
from chatproof.harness.protocol.apis.proposed_table import Asked, proposed_table
from chatproof.harness.protocol.apis.table_proposal import propose
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from tests.servers.apis.made_up import LinesServer, MadeUpServer
from tests.servers.apis.stream_server import StreamServer
from tests.servers.apis.tables import LINES, MADE_UP
from tests.servers.parts import Config
from tests.suite.running import OWN, PASS, ROOT, USAGE, few_plugins
from tests.test_documents import shown

BODIES = {
    MadeUpServer: {"question": "Say hello. scenario {script} case a-1x", "thread": "t1"},
    LinesServer: {"before": [], "now": "Say hello. scenario {script} case a-1x"},
}


def command(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the page: `chatproof` is this checkout's."""
    words = shlex.split(line)
    assert words[0] == "chatproof"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    variables = few_plugins(PYTEST_PLUGINS=OWN, PYTHONPATH=path)
    started = [sys.executable, "-m", "chatproof.harness.command", *words[1:]]
    return subprocess.run(started, cwd=folder, env=variables, capture_output=True, text=True, timeout=100, check=False)


def test_the_page_leads_to_a_verdict(tmp_path: Path) -> None:
    """With the page's table and command; the times and the port are those of the machine."""
    (tmp_path / "made-up.toml").write_text(shown("docs/apis.md", "toml", "# Proposed"), encoding="utf-8")
    result = command(shown("docs/apis.md", "sh", "chatproof check"), tmp_path)
    assert result.returncode == PASS, result.stdout + result.stderr
    verdict = shown("docs/apis.md", "text", "chatproof: PASS").strip()
    assert re.sub(r"\d+", "N", verdict) in re.sub(r"\d+", "N", result.stdout)


def test_a_bad_table_ends_the_run_with_one_line(tmp_path: Path) -> None:
    table = shown("docs/apis.md", "toml", "# Proposed").replace("pointer", "pointr", 1)
    (tmp_path / "chatproof.toml").write_text(table, encoding="utf-8")
    result = command("chatproof check --api --base-url http://127.0.0.1:1", tmp_path)
    assert result.returncode == USAGE
    said = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    assert len(said) == 1, said
    assert "chatproof.toml: api.text.pointr: unknown key; did you mean pointer?" in said[0]


@pytest.mark.parametrize(("server", "table"), [(MadeUpServer, MADE_UP), (LinesServer, LINES)])
async def test_a_table_is_proposed_from_what_a_server_says(server: type[StreamServer], table: str) -> None:
    """A good reply and a failed one show all that the table of the tests says of events."""
    fakes = FakeServer()
    await fakes.start()
    tested = server(Config.read({"OPENAI_BASE_URL": f"http://127.0.0.1:{fakes.port}/v1", "OPENAI_API_KEY": "k"}))
    try:
        url = f"http://127.0.0.1:{await tested.start()}{tested.path}"
        samples = [await asyncio.to_thread(captured, server, url, script) for script in ("hello", "error-mid")]
    finally:
        await tested.stop()
        await fakes.stop()
    proposal = propose([one.events for one in samples])
    proposed = tomllib.loads(proposed_table(proposal, samples, Asked("proposed")))["api"]
    wanted = tomllib.loads(Path(table).read_text(encoding="utf-8"))["api"]
    assert proposed["text"] == wanted["text"]
    ends = wanted["end"] if isinstance(wanted["end"], list) else [wanted["end"]]
    assert proposed["end"] in ends
    assert proposed["error"]["pointer"] == wanted["error"]["pointer"]
    assert proposed["framing"] == wanted.get("framing", "sse")


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ('{"t": "Hi"}', "finds no end in an ordinary reply of 1 event, such as"),
        ('{"text": "Hi"}', 'finds no text in an ordinary reply of 1 event, such as \'data: {"text": "Hi"}\''),
        ("[DONE]", "finds no text"),
        ('{"e": "no"}', ""),
    ],
)
def test_a_table_that_does_not_fit_the_server_is_doubted(event: str, says: str) -> None:
    rules = {"text": {"pointer": "/t"}, "end": {"mark": "[DONE]"}, "error": {"pointer": "/e"}}
    api = read_table({"name": "mine", "path": "/", "body": {"q": "{message}"}, **rules})
    reply = Transcript(Transport.SSE, api=api)
    reply.answered(0.0, 200, [])
    reply.read(1.0, f"data: {event}\n\n".encode())
    reply.ended(2.0, End.COMPLETE)
    assert says in doubt_of_table(api, reply)
    assert bool(says) == bool(doubt_of_table(api, reply))


def captured(server: type[StreamServer], url: str, script: str) -> CapturedReply:
    """A reply as curl -i prints it."""
    body = json.dumps(BODIES[server]).replace("{script}", script).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        head = f"HTTP/1.1 {answer.status} OK\r\n{answer.headers}"
        return CapturedReply.parse(head.encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + answer.read())
