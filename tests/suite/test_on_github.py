"""The workflow that `chatproof init` writes, and action.yml: their shell steps, as they stand, with the wheel alone.

Red on a broken server, green on a good one; with annotations, the summary of the step, and reports.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chatproof.harness.command import main
from chatproof.harness.project.workflow_file import INSTALL, REPORTS
from tests.installed_wheel import ROOT, build, link_dependencies, wheel_in
from tests.test_documents import shown
from tests.workflow_steps import Ran, Runner, Step, read, steps_of

NODE = """
import http from 'node:http'

const texts = new TextDecoder()
http.createServer(async (request, response) => {
  let body = ''
  for await (const part of request) body += texts.decode(part, { stream: true })
  const messages = [{ role: 'user', content: JSON.parse(body).message }]
  const asked = await fetch(`${process.env.OPENAI_BASE_URL}/chat/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
    body: JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages })
  })
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' }) // /api/chat/stream
  let count = FIRST, partial = '', rest = ''
  for await (const part of asked.body) {
    const lines = (rest + Buffer.from(part).toString()).split('\\n')
    rest = lines.pop()
    for (const line of lines.filter(one => one.startsWith('data: {'))) {
      const token = JSON.parse(line.slice(6)).choices?.[0]?.delta?.content
      if (token) response.write(`data: ${JSON.stringify({ token, count: count++, partial: partial += token })}\\n\\n`)
    }
  }
  response.end('data: {"done":true}\\n\\n')
}).listen(process.env.PORT, '127.0.0.1')
"""
PACKAGE = {"name": "chat", "version": "1.0.0", "type": "module", "scripts": {"start": "node server.js"}}
LOCK = {"name": "chat", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": {"": PACKAGE}}
ROWS = 'only = ["TOK-01", "TOK-02"]\nsituation = "plain"\n'
needs_node = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed: apt-get install nodejs npm")


def node_project(folder: Path, first: int) -> None:
    """A server without dependencies, whose first token has this number."""
    (folder / "server.js").write_text(NODE.replace("FIRST", str(first)), encoding="utf-8")
    (folder / "package.json").write_text(json.dumps(PACKAGE), encoding="utf-8")
    (folder / "package-lock.json").write_text(json.dumps(LOCK), encoding="utf-8")


def narrow(folder: Path) -> None:
    """Have few rows judged: a whole run takes a minute."""
    path = folder / "chatproof.toml"
    path.write_text(path.read_text(encoding="utf-8") + ROWS, encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder, "-t", "wheel")
    return wheel_in(folder)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path / "machine", {})


def dependencies(runner: Runner, wheel: Path) -> dict[str, Callable[[], None]]:
    """What pip would have got from the network."""
    links = runner.home / "dependencies"
    return {"Install chatproof": lambda: link_dependencies(runner.temporary / "chatproof", links, wheel)}


def by_name(done: list[Ran]) -> dict[str, Ran]:
    return {one.name: one for one in done}


@needs_node
def test_the_workflow_is_red_on_a_broken_server_and_green_on_a_good_one(
    runner: Runner, wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node_project(runner.workspace, first=0)
    assert main(["init", str(runner.workspace), "--ci", "github"]) == 0
    assert "package.json: scripts.start" in capsys.readouterr().out
    narrow(runner.workspace)
    workflow = read((runner.workspace / ".github/workflows/chatproof.yml").read_text(encoding="utf-8"))
    runner.contexts["vars.CHATPROOF_SPEC"] = str(wheel)
    (job,) = workflow["jobs"].values()
    variables = {name: runner.expanded(value, {}) for name, value in job["env"].items()}
    steps = steps_of(workflow)
    red = by_name(runner.run(steps, variables, dependencies(runner, wheel)))
    assert [one.code for one in red.values()] == [0, 0, 1], red
    said = red["Judge the server"].output
    assert "::error title=chatproof%3A TOK-02" in said
    assert said.count("\n::") + said.startswith("::") == 1
    assert (
        "::error title=chatproof%3A TOK-02::`count` starts at 1 and rises by 1.%0Aseen: count 0 at token 1%0A" in said
    )
    assert "chatproof: FAIL" in said.splitlines()[-1]
    assert "## chatproof ❌ failed" in runner.summary.read_text(encoding="utf-8")
    reports = {path.name for path in (runner.workspace / REPORTS).iterdir()}
    assert reports == {"report.html", "report.json", "junit.xml", "server.log"}
    uploads = [
        step.keys for step in steps if "upload-artifact" in step.name or "upload-artifact" in step.keys.get("uses", "")
    ]
    assert [(one["with"]["path"], one["if"]) for one in uploads] == [(f"{REPORTS}/", "${{ !cancelled() }}")]

    node_project(runner.workspace, first=1)
    judge = [step for step in steps if step.name == "Judge the server"]
    (green,) = runner.run(judge, variables, {})
    assert green.code == 0, green.output
    assert "::" not in green.output.replace("http://", "")
    assert "## chatproof ✅ passed" in runner.summary.read_text(encoding="utf-8")


SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen


class Chat(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # /api/chat/stream
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["message"]
        body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": message}]}
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
        asked = Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(), headers)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        partial, count = "", int(os.environ.get("FIRST", "1"))
        with urlopen(asked) as reply:
            for line in reply:
                chunk = json.loads(line[6:]) if line.startswith(b"data: {") else {}
                for choice in chunk.get("choices", ()):
                    if token := choice["delta"].get("content"):
                        partial += token
                        event = {"token": token, "count": count, "partial": partial}
                        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\\n\\n")
                        count += 1
        self.wfile.write(b'data: {"done": true}\\n\\n')


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Chat).serve_forever()
"""


def test_the_action_judges_uploads_and_takes_options(runner: Runner, wheel: Path) -> None:
    """Red with something new, green once it is known."""
    action = read((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = steps_of(action)
    runner.contexts |= {f"inputs.{name}": one["default"] for name, one in action["inputs"].items()}
    options = "--only TOK-02 --situation plain --write-baseline 'known failures.toml'"
    runner.contexts |= {"inputs.working-directory": "back end", "inputs.options": options}
    folder = runner.workspace / "back end"
    folder.mkdir()
    (folder / "server.py").write_text(SERVER, encoding="utf-8")
    (folder / "requirements.txt").touch()
    assert main(["init", str(folder)]) == 0
    shutil.copy(wheel, folder)
    variables = {"CHATPROOF_SPEC": f"./{wheel.name}", "FIRST": "0"}
    red = by_name(runner.run(steps, variables, dependencies(runner, wheel)))
    assert [one.code for one in red.values()] == [0, 1], red
    said = red["Judge the server"].output
    assert "::error title=chatproof%3A TOK-02" in said
    assert "known failures.toml: 1 added" in said
    (upload,) = [step.keys for step in steps if "uses" in step.keys]
    kept = Path(runner.expanded(upload["with"]["path"], {}))
    names = {path.name for path in kept.iterdir()}
    assert names == {"report.html", "report.md", "report.json", "junit.xml", "server.log"}

    (green,) = runner.run(steps[1:2], variables, {})
    assert green.code == 0, green.output
    assert "known failures.toml: nothing new" in green.output
    assert "\n::" not in green.output
    summary = runner.summary.read_text(encoding="utf-8")
    assert summary.index("❌ failed") < summary.index("✅ passed")


@pytest.mark.parametrize(
    "spec", ["", "chatproof", "chatproof==0.1.0", "chatproof[all]", "--index-url=https://x.example/"]
)
def test_no_name_is_ever_installed(runner: Runner, spec: str) -> None:
    """A folder of that name changes nothing: pip would take the name for a package's."""
    (runner.workspace / "chatproof").mkdir()
    steps = steps_of(read((ROOT / "action.yml").read_text(encoding="utf-8")))
    runner.contexts["inputs.working-directory"] = "."
    done = runner.run(steps, {"CHATPROOF_SPEC": spec} if spec else {}, {})
    assert [(one.name, one.code) for one in done] == [("Install chatproof", 2)]
    assert done[0].output.startswith("::error title=chatproof::CHATPROOF_SPEC must name what to install")
    assert done[0].output.count("\n") == 1
    assert not (runner.temporary / "chatproof").exists()


def test_the_recipe_for_other_cis(runner: Runner, wheel: Path) -> None:
    """The lines of docs/first-verdict.md."""
    recipe = shown("docs/first-verdict.md", "sh", "case ")
    install, _, judge = recipe.rpartition("\n.chatproof/bin/chatproof check")
    steps = [
        Step("Install chatproof", {"shell": "bash", "run": install}),
        Step("Judge", {"shell": "bash", "run": f".chatproof/bin/chatproof check{judge}"}),
    ]
    assert [one.code for one in runner.run(steps, {"CHATPROOF_SPEC": "chatproof"}, {})] == [2]
    (runner.workspace / "server.py").write_text(SERVER, encoding="utf-8")
    (runner.workspace / "requirements.txt").touch()
    assert main(["init", str(runner.workspace)]) == 0
    narrow(runner.workspace)
    links = {
        "Install chatproof": lambda: link_dependencies(runner.workspace / ".chatproof", runner.home / "links", wheel)
    }
    done = runner.run(steps, {"CHATPROOF_SPEC": str(wheel), "GITHUB_ACTIONS": "false"}, links)
    assert [one.code for one in done] == [0, 0], done
    assert {path.name for path in (runner.workspace / "report").iterdir()} == {"report.html", "report.md", "junit.xml"}
    assert runner.summary.read_text(encoding="utf-8") == ""


def test_action_and_workflow_install_in_the_same_way() -> None:
    (install,) = [
        step.keys["run"].rstrip()
        for step in steps_of(read((ROOT / "action.yml").read_text(encoding="utf-8")))
        if step.name == "Install chatproof"
    ]
    assert install == INSTALL
