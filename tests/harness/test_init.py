"""`chatproof init`: what it guesses from the projects that people have, what it writes, and what it never does."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from chatproof.harness.command import main
from chatproof.harness.common.configuration import configured
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.start_command import words_of
from chatproof.harness.protocol.requirements import Profile, contract
from tests.workflow_steps import read, steps_of

EXPRESS = """
const { PORT = 5000 } = process.env
app.post('/api/chat/stream', ask)
app.post('/api/chat', askAll)
app.listen(PORT)
"""
FASTAPI = """
from fastapi import FastAPI
app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"])

@app.post("/api/chat/stream")
async def stream(): ...
"""


def package(scripts: Mapping[str, str] | None = None, main: str = "", **dependencies: str) -> str:
    names = {name.replace("__", "/").replace("_", "-"): version for name, version in dependencies.items()}
    return json.dumps({"scripts": scripts or {}, "dependencies": names, **({"main": main} if main else {})})


def initialised(folder: Path, files: Mapping[str, str], *words: str) -> Settings:
    """Write the files, run init, and read what it wrote as `chatproof check` does."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    assert main(["init", str(folder), *words]) == 0
    settings = Settings.read(configured({}, [folder]), contract())
    assert settings.start is not None
    words_of(settings.start)
    return settings


NODE = {"express": "5", "openai": "7"}
CASES: dict[str, tuple[dict[str, str], str, list[str], list[str]]] = {
    # files, start, providers, profiles beside core and performance
    "express": (
        {
            "package.json": package(
                {"start": "node server.js"}, cors="2", jsonwebtoken="9", socket_io="4", **NODE
            ).replace('"socket-io"', '"socket.io"'),
            "server.js": EXPRESS,
        },
        "node server.js",
        ["openai"],
        ["socketio", "chat", "auth", "cors"],
    ),
    "a script that needs a shell": (
        {"package.json": package({"start": "NODE_ENV=production node x.js && true"}, **NODE), "x.js": EXPRESS},
        "npm run start",
        ["openai"],
        ["chat"],
    ),
    "pnpm, main": (
        {
            "package.json": package(main="lib/x.js", fastify="5", ollama="0.6"),
            "lib/x.js": EXPRESS,
            "pnpm-lock.yaml": "",
        },
        "node lib/x.js",
        ["local"],
        ["chat"],
    ),
    "no scripts": ({"package.json": package(hono="4"), "index.js": EXPRESS}, "node index.js", [], ["chat"]),
    "fastapi": (
        {"requirements.txt": "fastapi[standard]>=0.1\ngoogle_genai\n-r more.txt\n# x\n", "app/main.py": FASTAPI},
        "python -m uvicorn app.main:app --host 127.0.0.1 --port {port}",
        ["gemini"],
        ["cors"],
    ),
    "flask, environment": (
        {
            "pyproject.toml": '[project]\ndependencies = ["Flask", "openai>=1", "Flask-Limiter"]\n',
            "src/web.py": 'from flask import Flask\ndef create_app(): return Flask(__name__)\n# "/api/chat/stream"\n',
            ".venv/bin/python": "",
        },
        ".venv/bin/python -m flask --app src/web.py:create_app run --port {port}",
        ["openai"],
        ["limits"],
    ),
    "django": (
        {"requirements.txt": "Django\n", "manage.py": "import os\n", "shop/asgi.py": "application = 1\n"},
        "python manage.py runserver --noreload 127.0.0.1:{port}",
        [],
        [],
    ),
    "uv, Dockerfile": (
        {
            "pyproject.toml": '[project]\ndependencies = ["litellm"]\n',
            "uv.lock": "",
            "Dockerfile": 'FROM python\nCMD ["uvicorn", "api:app", "--host", "0.0.0.0", "--port", "8000"]\n',
            "api.py": "import httpx  # OPENAI_BASE_URL, '/api/chat/stream'\n",
        },
        ".venv/bin/python -m uvicorn api:app --host 127.0.0.1 --port {port}",
        ["openai"],
        [],
    ),
    "go": (
        {
            "go.mod": "module x\n\nrequire (\n\tgithub.com/openai/openai-go/v3 v3.1.0\n\tgithub.com/rs/cors v1\n)\n",
            "cmd/chat/main.go": 'package main\n// os.Getenv("PORT") "/api/chat/stream"\n',
        },
        "go run ./cmd/chat",
        ["openai"],
        ["cors"],
    ),
    "anthropic": (
        {"requirements.txt": "fastapi\nanthropic>=1\n", "main.py": FASTAPI},
        "python -m uvicorn main:app --host 127.0.0.1 --port {port}",
        ["anthropic"],
        ["cors"],
    ),
    "an image": (
        {"Dockerfile": "FROM x\nEXPOSE 8080\nENTRYPOINT server\n"},
        "docker run --rm --init --network host",
        [],
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_guessed(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    files, start, providers, profiles = CASES[name]
    settings = initialised(tmp_path, files, "--ci", "github")
    assert settings.start is not None
    assert settings.start.startswith(start)
    assert settings.providers == tuple(providers or ["openai", "gemini", "local"])  # undeclared: the usual ones
    assert settings.profiles == {Profile.CORE, Profile.PERFORMANCE, *map(Profile, profiles)}
    said = capsys.readouterr().out
    assert said.startswith(f"chatproof init: {tmp_path.absolute()} (")
    assert "next: chatproof check" in said
    text = (tmp_path / "chatproof.toml").read_text(encoding="utf-8")
    assert all(len(line) <= 400 for line in text.splitlines())
    workflow = read((tmp_path / ".github/workflows/chatproof.yml").read_text(encoding="utf-8"))
    names = [step.name for step in steps_of(workflow) if "run" in step.keys]
    assert names == ["Install the server", "Install chatproof", "Judge the server"]
    assert workflow["on"].keys() == {"pull_request", "push"}


APIS: dict[str, tuple[dict[str, str], str, str | None]] = {
    # files, the api, the path that is not its own
    "next": (
        {
            "package.json": package({"start": "next start", "build": "next build"}, next="16", ai="6"),
            "app/(shop)/api/ask/route.ts": "export const POST = () => result.toUIMessageStreamResponse()",
        },
        "ai-sdk",
        "/api/ask",
    ),
    "express with the AI SDK": (
        {
            "package.json": package({"start": "node x.mjs"}, ai="6", express="5"),
            "x.mjs": "app.post('/api/chat', (q, r) => x.pipeUIMessageStreamToResponse(r))\napp.listen(env.PORT)",
        },
        "ai-sdk",
        None,
    ),
    "a gateway": (
        {"requirements.txt": "fastapi", "main.py": 'app = FastAPI()\n@app.post("/openai/v1/chat/completions")\n'},
        "openai-chat",
        "/openai/v1/chat/completions",
    ),
    "ag-ui": (
        {"requirements.txt": "fastapi", "main.py": 'import ag_ui.core\napp = FastAPI()\n@app.post("/agent")\n'},
        "ag-ui",
        "/agent",
    ),
}


@pytest.mark.parametrize("name", APIS)
def test_which_api_is_guessed(tmp_path: Path, name: str) -> None:
    files, api, path = APIS[name]
    settings = initialised(tmp_path, files)
    assert (settings.api_name, settings.api_path) == (api, path)
    assert settings.profiles == {Profile.CORE, Profile.PERFORMANCE}


def test_a_build_comes_before_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    initialised(tmp_path, APIS["next"][0], "--ci", "github")
    assert "build before `chatproof check`" in capsys.readouterr().out
    workflow = read((tmp_path / ".github/workflows/chatproof.yml").read_text(encoding="utf-8"))
    (setup,) = [step.keys["run"] for step in steps_of(workflow) if step.name == "Install the server"]
    assert setup.splitlines() == ["npm install", "npm run build"]


@pytest.mark.parametrize(
    "source",
    [
        "app.listen(3000) // x",
        "await app.listen({ host: '::', port: 3000 })",
        "serve({ fetch: app.fetch, port: 3000 })",
        "const port = 3000",
    ],
)
def test_a_server_with_a_port_of_its_own(tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One port serves one server, so it is judged with one provider."""
    files = {"package.json": package({"start": "node s.js"}, openai="7", ollama="1"), "s.js": source}
    settings = initialised(tmp_path, files)
    assert (settings.base_url, settings.providers) == ("http://127.0.0.1:3000", ("openai",))
    assert "s.js:1 has a port of its own; let it read PORT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dependency", "says"),
    [
        ("@google/generative-ai", "baseUrl: process.env.GOOGLE_GEMINI_BASE_URL"),
        ("@ai-sdk/google", "GOOGLE_GEMINI_BASE_URL}/v1beta"),
        ("ollama", "new Ollama({ host: process.env.LOCAL_LLM_URL })"),
    ],
)
def test_a_client_that_reads_no_variable_is_named(
    tmp_path: Path, dependency: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"package.json": json.dumps({"main": "s.js", "dependencies": {dependency: "1"}}), "s.js": EXPRESS}
    initialised(tmp_path, files)
    assert says in capsys.readouterr().out


def test_a_project_inside_a_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """GitHub reads workflows at the top of the repository alone."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "apps" / "chat"
    folder.mkdir(parents=True)
    initialised(folder, {"package.json": package({"start": "node s.js"}), ".nvmrc": "24"}, "--ci", "github")
    assert not (folder / ".github").exists()
    path = tmp_path / ".github/workflows/chatproof.yml"
    assert f"{path} written" in capsys.readouterr().out
    (job,) = read(path.read_text(encoding="utf-8"))["jobs"].values()
    assert job["defaults"] == {"run": {"working-directory": "apps/chat/"}}
    assert [step["with"] for step in job["steps"] if "with" in step][1:] == [
        {"node-version-file": "apps/chat/.nvmrc"},
        {"name": "chatproof-report", "path": "apps/chat/chatproof-report/", "if-no-files-found": "ignore"},
    ]


# -- what it never does


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "package.json": package({"start": "node s.js"}),
        "s.js": EXPRESS,
        "chatproof.toml": "# mine\nstart = 'x'\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["init", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("chatproof.toml is there already; --force replaces it\n")
    assert main(["init", str(tmp_path), "--ci", "github"]) == 0
    assert "chatproof.toml is there already and stays as it is" in capsys.readouterr().out
    assert (tmp_path / "chatproof.toml").read_text(encoding="utf-8") == files["chatproof.toml"]
    assert (tmp_path / ".github/workflows/chatproof.yml").exists()
    assert main(["init", str(tmp_path), "--ci", "github"]) == 2
    assert main(["init", str(tmp_path), "--force"]) == 0
    assert "# mine" not in (tmp_path / "chatproof.toml").read_text(encoding="utf-8")


def test_settings_in_pyproject_are_not_hidden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.chatproof]\nstart = 'x'\n", encoding="utf-8")
    assert main(["init", str(tmp_path), "--start", "python x.py"]) == 2
    assert "pyproject.toml has [tool.chatproof] already" in capsys.readouterr().err
    assert not (tmp_path / "chatproof.toml").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "package.json").write_text(package({"start": "node s.js"}), encoding="utf-8")
    assert main(["init", str(tmp_path), "--dry-run", "--ci", "github"]) == 0
    assert f"--- {tmp_path / 'chatproof.toml'}\n" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["package.json"]


@pytest.mark.parametrize(
    ("files", "words", "says"),
    [
        ({}, (), "has no package.json, pyproject.toml, requirements.txt, go.mod or Dockerfile"),
        ({"package.json": "{}"}, (), "package.json does not say how the server is started"),
        ({"package.json": "not json"}, (), "package.json does not say how the server is started"),
        ({}, ("--start", "a | b"), "there is no shell"),
    ],
    ids=["nothing", "no script", "broken", "shell"],
)
def test_what_cannot_be_guessed_is_one_line(
    tmp_path: Path, files: dict[str, str], words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["init", str(tmp_path), *words]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "chatproof.toml").exists()


def test_a_folder_that_nobody_knows_is_told_by_hand(tmp_path: Path) -> None:
    settings = initialised(tmp_path, {"server.rb": "puts 1"}, "--start", "ruby 'my server.rb' {port}", "--ci", "github")
    assert shlex.split(settings.start or "") == ["ruby", "my server.rb", "{port}"]


def test_a_large_and_odd_project_is_read_within_bounds(tmp_path: Path) -> None:
    """Source that is too large, files that are no text, a link in a circle, folders of packages."""
    (tmp_path / "package.json").write_text(package({"start": "node s.js"}), encoding="utf-8")
    (tmp_path / "big.js").write_text("x" * 300_000 + "/api/chat/stream", encoding="utf-8")
    (tmp_path / "odd.js").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "x.js").write_text("'/api/chat/stream'", encoding="utf-8")
    initialised(tmp_path, {})
    assert "no other api was found" in (tmp_path / "chatproof.toml").read_text(encoding="utf-8")
