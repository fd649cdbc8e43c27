"""Run what large client libraries do with a provider against the fakes, each in its own environment, and report it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Final, get_args

from bench.peers import NotInstalled, environment, node_modules, node_versions
from chatproof import __version__
from chatproof.fake_providers.dialects.provider_variables import UNSET, Provider, client_variables
from chatproof.fake_providers.testing.threaded import ThreadedServer

ROOT: Final = Path(__file__).parent.parent
CLIENTS: Final = ROOT / "bench" / "clients"
REPORT: Final = ROOT / "docs" / "clients.md"
_DRIVER_S: Final = 300.0
_SHOWN: Final = {  # the packages whose versions the report names, by client
    "openai-agents": ("openai-agents", "openai"),
    "pydantic-ai": ("pydantic-ai-slim", "openai", "google-genai"),
    "langchain": ("langchain", "langchain-openai", "langchain-google-genai"),
    "litellm": ("litellm",),
    "google-genai": ("google-genai",),
    "AI SDK": ("ai", "@ai-sdk/openai", "@ai-sdk/google"),
}
_TASKS: Final = {
    "tool_loop": "agent loop",
    "structured": "structured output",
    "reasoning": "reasoning",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one client did with one API. `problem`: one line, None where it worked."""

    client: str
    api: str
    task: str
    problem: str | None


def run(folder: Path, report: Path) -> int:
    """Install the clients into `folder`, run the drivers, and write the report.

    Returns 0, or 1 where a client fails at something or cannot be installed.
    """
    try:
        python = _python_clients(folder)
        node, script = _javascript_clients(folder)
    except NotInstalled as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    commands = [[str(python), "-m", f"bench.clients.{path.stem}"] for path in sorted(CLIENTS.glob("drive_*.py"))]
    commands.append([node, str(script)])
    with ThreadedServer() as fakes:
        attempts = [attempt for command in commands for attempt in _driven(command, fakes.url)]
    versions = {**_python_versions(python), **node_versions(script.parent / "package-lock.json")}
    report.write_text(page(attempts, versions, python), encoding="utf-8")
    failed = [one for one in attempts if one.problem is not None]
    sys.stdout.write(f"{len(attempts) - len(failed)} passed, {len(failed)} failed: see {report}\n")
    return 1 if failed else 0


def page(attempts: Sequence[Attempt], versions: dict[str, str], python: Path) -> str:
    """The report in Markdown: the versions, then one line for each attempt."""
    lines = [
        "# Large clients against the fakes",
        "",
        f"`make clients` wrote this page on {datetime.now(UTC):%Y-%m-%d}, with chatproof {__version__} on",
        f"{platform.system()}, {_said(str(python), '--version')}, Node {_said('node', '--version').removeprefix('v')}."
        " The clients are unmodified;",
        "their versions are locked in `bench/clients/`. Each line of the second table is one attempt, whole or"
        " streamed:",
        "",
        "- *agent loop*: the tool runs once, with the arguments of the script `tool-call`, and words end the loop.",
        "- *structured output*: the client's own call gives an object of the type that was asked for. No script is"
        " named.",
        "- *reasoning*: the client shows what the model thinks in the script `reasoning`. OpenAI's chat completions"
        " never",
        "  send it: there its usage must count it.",
        "",
        "| client | versions |",
        "| --- | --- |",
    ]
    for client, packages in _SHOWN.items():
        shown = ", ".join(f"{name} {versions.get(name, 'unknown')}" for name in packages)
        lines.append(f"| {client} | {shown} |")
    failed = sum(one.problem is not None for one in attempts)
    lines += ["", f"{len(attempts) - failed} passed, {failed} failed.", ""]
    lines += ["| client | API | task | result |", "| --- | --- | --- | --- |"]
    for one in attempts:
        result = "passed" if one.problem is None else f"**failed**: {one.problem.replace('|', chr(92) + '|')}"
        lines.append(f"| {one.client} | {one.api} | {_TASKS.get(one.task, one.task)} | {result} |")
    return "\n".join([*lines, ""])


def _driven(command: Sequence[str], url: str) -> Iterator[Attempt]:
    """The attempts of one driver; where it fails itself, one that says so."""
    name = Path(command[-1]).stem if command[-1].endswith(".mjs") else command[-1].rpartition(".")[2]
    sys.stderr.write(f"{name}\n")
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=_variables(url),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DRIVER_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Attempt(name, "", "the driver itself", f"it did not end within {_DRIVER_S:g} s")
        return
    for line in done.stdout.splitlines():
        if line.startswith('{"client"'):
            yield Attempt(**json.loads(line))
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        yield Attempt(name, "", "the driver itself", said[-1][:300])


def _variables(url: str) -> dict[str, str]:
    """The environment of a driver: the clients' own variables, and nobody to reach but this machine."""
    kept = {name: value for name, value in os.environ.items() if name not in UNSET and "proxy" not in name.lower()}
    for provider in get_args(Provider):
        kept |= client_variables(provider, url)
    nowhere = "http://127.0.0.1:9"
    return {
        **kept,
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PYTHONPATH": str(ROOT),
    }


def _python_clients(folder: Path) -> Path:
    """The Python of an environment with what requirements.txt locks."""
    locked = (CLIENTS / "requirements.txt").read_text(encoding="utf-8").split()
    return environment(folder / "python", locked, "the Python clients")


def _javascript_clients(folder: Path) -> tuple[str, Path]:
    """Node, and the driver beside the packages that package-lock.json locks."""
    home = folder / "javascript"
    node = node_modules(CLIENTS, home, "the JavaScript clients")
    return node, Path(shutil.copy(CLIENTS / "drive_ai_sdk.mjs", home))


def _python_versions(python: Path) -> dict[str, str]:
    libraries = [str(path) for path in python.parent.parent.glob("[Ll]ib*/**/site-packages")]
    return {found.metadata["Name"]: found.version for found in distributions(path=libraries)}


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
