"""The public servers that are judged: how each is installed, started and asked."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.peers import environment, node_modules, node_versions

FIELD: Final = Path(__file__).parent
_UVICORN: Final = ("uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--app-dir", "{field}")

_OUR_LINES: Final = "the request is read by Hono and by our lines, not by the package"
_NODE_WAITS: Final = ("--abandoned-after", "320")  # seconds; node's fetch gives up after 300 s of silence


@dataclass(frozen=True, slots=True)
class PublicServer:
    """One server.

    `name` names its scripts in `field/repro`. `folder` holds its lock file and the few documented lines that put it to
    work. `command` starts it: `{field}` is that folder, `{home}` the one that it is installed in, `{port}` its port.
    `shown`: the packages whose versions the page tells. `table`: the file in its folder that says where it stops and
    resumes replies; without one it is judged as a server whose replies end with their client's connection. `options`:
    more of `chatproof check`. `exempt`: rows that do not apply to it, each with the reason. `note`: a sentence for the
    page.
    """

    name: str
    title: str
    folder: str
    command: tuple[str, ...]
    shown: tuple[str, ...]
    api: str
    path: str
    table: str = ""
    options: tuple[str, ...] = ()
    exempt: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def glue(self) -> Path:
        """The folder of its lock file."""
        return FIELD / self.folder

    @property
    def is_python(self) -> bool:
        """Whether it comes from PyPI; else from npm."""
        return (self.glue / "requirements.in").is_file()

    @property
    def judged_as(self) -> tuple[str, ...]:
        """Its api, path and profile, as `chatproof check` takes them."""
        api = ("--api", str(self.glue / self.table), "--profile", "resume") if self.table else ("--api", self.api)
        return (*api, "--profile", "core", "--api-path", self.path, *self.options)

    def installed(self, folder: Path) -> tuple[str, ...]:
        """Install it below `folder`, unless that was done before; the command that starts it. Raises NotInstalled."""
        home = folder / self.folder
        if self.is_python:
            locked = (self.glue / "requirements.txt").read_text(encoding="utf-8").split()
            program = str(environment(home, locked, self.title).parent / self.command[0])
        else:
            program = node_modules(self.glue, home, self.title)
            for file in self.glue.glob("*.mjs"):
                shutil.copy(file, home)
        return (program, *(word.format(field=self.glue, home=home, port="{port}") for word in self.command[1:]))

    def versions(self) -> dict[str, str]:
        """The locked versions of the packages that the page tells."""
        if self.is_python:
            lines = (self.glue / "requirements.txt").read_text(encoding="utf-8").split()
            found = dict(line.split("==") for line in lines)
        else:
            found = node_versions(self.glue / "package-lock.json")
        return {name: found[name] for name in self.shown}


SERVERS: Final = (
    PublicServer(
        "litellm",
        "LiteLLM proxy",
        "litellm",
        ("litellm", "--config", "{field}/config.yaml", "--host", "127.0.0.1", "--port", "{port}"),
        ("litellm", "openai"),
        "openai-chat",
        "/v1/chat/completions",
        exempt={
            "ERR-06": "its time-out of 10 s holds for each of three tries; the error comes after the last one",
            "ERR-07": "its time-out stands in our config.yaml, and is no longer one for the suite's second server",
            "ERR-09": "a gateway hands its provider's error on to those who call it",
        },
    ),
    PublicServer(
        "pydantic-ai-ag-ui",
        "pydantic-ai, AG-UI adapter",
        "pydantic_ai",
        (*_UVICORN, "ag_ui_app:app"),
        ("pydantic-ai-slim", "ag-ui-protocol", "openai", "fastapi", "uvicorn"),
        "ag-ui",
        "/",
    ),
    PublicServer(
        "pydantic-ai-vercel",
        "pydantic-ai, Vercel AI adapter",
        "pydantic_ai",
        (*_UVICORN, "vercel_app:app"),
        ("pydantic-ai-slim", "openai", "fastapi", "uvicorn"),
        "ai-sdk",
        "/api/chat",
    ),
    PublicServer(
        "ai-sdk",
        "npm ai behind Hono",
        "ai_sdk",
        ("node", "{home}/server.mjs"),
        ("ai", "@ai-sdk/openai", "hono", "@hono/node-server"),
        "ai-sdk",
        "/api/chat",
        exempt={"API-03": _OUR_LINES, "REQ-16": _OUR_LINES},
        note="Version 7 of ai needs Node 22; this is the newest one that Node 20 runs.",
    ),
    PublicServer(
        "ai-sdk-resumable",
        "npm ai with resumable-stream, behind Hono",
        "ai_sdk",
        ("node", "{home}/resumable.mjs"),
        ("ai", "resumable-stream", "@ai-sdk/openai", "hono", "@hono/node-server"),
        "ai-sdk",
        "/api/chat",
        "api.toml",
        _NODE_WAITS,
        exempt={"API-03": _OUR_LINES, "REQ-16": _OUR_LINES},
        note="resumable-stream publishes within the process; its documentation has Redis there.",
    ),
    PublicServer(
        "langgraph",
        "LangGraph behind ag-ui-langgraph",
        "langgraph",
        (*_UVICORN, "graph_app:app"),
        ("ag-ui-langgraph", "langgraph", "langchain-openai", "fastapi", "uvicorn"),
        "ag-ui",
        "/agent",
    ),
    PublicServer(
        "copilotkit",
        "CopilotKit runtime, built-in agent",
        "copilotkit",
        ("node", "{home}/server.mjs"),
        ("@copilotkit/runtime", "hono", "@hono/node-server"),
        "ag-ui",
        "/api/copilotkit/agent/default/run",
        "api.toml",
        _NODE_WAITS,
        exempt={"ERR-06": "the built-in agent has no setting for how long it waits for the provider"},
    ),
)
