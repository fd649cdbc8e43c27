"""Install the peers into a folder of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

AIMOCK: Final = "1.43.0"
LLMOCK: Final = "0.2.2"

STARLETTE: Final = ("starlette==1.10.0", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0", "httpx==0.28.1")
FLASK: Final = ("flask==3.1.3", "werkzeug==3.1.8", "requests==2.34.2")

_PACKAGE: Final = "@copilotkit/aimock"
_INSTALL_S: Final = 900.0


class NotInstalled(Exception):
    """A peer cannot be installed here. Its text is one line."""


@dataclass(frozen=True, slots=True)
class Aimock:
    """npm @copilotkit/aimock: how to start it."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Llmock:
    """PyPI llmock: how to start it."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Proxy:
    """A file of `bench/proxies`, and a Python with the packages that it imports."""

    name: str
    module: str
    python: str


def default_folder() -> Path:
    """A folder in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(cache) if cache else Path.home() / ".cache") / "chatproof" / "bench-peers"


def install_aimock(folder: Path) -> Aimock:
    """Raises NotInstalled if node, npm or the registry is missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalled("aimock needs node and npm")
    home = folder / f"aimock-{AIMOCK}"
    package = home / "node_modules" / _PACKAGE
    if not (package / "package.json").is_file():
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text('{"private": true}\n')
        flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
        run_quietly([npm, "install", *flags, f"{_PACKAGE}@{AIMOCK}"], home, "aimock")
    manifest = json.loads((package / "package.json").read_text())
    return Aimock((node, str(package / manifest["bin"]["llmock"])), manifest["version"])


def install_llmock(folder: Path) -> Llmock:
    """Raises NotInstalled if the package index cannot be reached."""
    python = environment(folder / f"llmock-{LLMOCK}-{_python()}", [f"llmock=={LLMOCK}"], "llmock")
    return Llmock((str(python.parent / ("llmock.exe" if sys.platform == "win32" else "llmock")),), LLMOCK)


def install_starlette(folder: Path) -> Proxy:
    """Raises NotInstalled if the package index cannot be reached."""
    home = folder / f"starlette-{_version(STARLETTE)}-{_python()}"
    python = environment(home, STARLETTE, "the Starlette proxy")
    return Proxy(f"Starlette {_version(STARLETTE)}, uvicorn, httpx", "starlette_proxy", str(python))


def install_flask(folder: Path) -> Proxy:
    """Raises NotInstalled if the package index cannot be reached."""
    home = folder / f"flask-{_version(FLASK)}-{_python()}"
    python = environment(home, FLASK, "the Flask proxy")
    return Proxy(f"Flask {_version(FLASK)} threaded, requests", "flask_proxy", str(python))


def _version(packages: Sequence[str]) -> str:
    return packages[0].partition("==")[2]


def _python() -> str:
    return f"py{sys.version_info.major}.{sys.version_info.minor}"


def environment(home: Path, packages: Sequence[str], name: str) -> Path:
    """Return the Python of a virtual environment with these packages. The first run creates it."""
    programs = home / ("Scripts" if sys.platform == "win32" else "bin")
    python = programs / ("python.exe" if sys.platform == "win32" else "python")
    whole = home / "installed.txt"  # written last: without it, the installation was interrupted
    if not whole.is_file() or whole.read_text().split() != list(packages):
        try:
            home.parent.mkdir(parents=True, exist_ok=True)
            venv.create(home, with_pip=True, clear=True)
        except (OSError, subprocess.SubprocessError) as problem:
            raise NotInstalled(f"{name}: no environment in {home}: {problem}") from None
        run_quietly(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], home, name
        )
        whole.write_text("\n".join(packages))
    return python


def node_modules(source: Path, home: Path, name: str) -> str:
    """Install what the `package-lock.json` of `source` locks into `home`, once; the node that runs it.

    Raises NotInstalled if node, npm or the registry is missing.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalled(f"{name}: node and npm are needed")
    home.mkdir(parents=True, exist_ok=True)
    lock, seen = source / "package-lock.json", home / "installed.json"  # the latter is written last
    if not seen.is_file() or seen.read_bytes() != lock.read_bytes():
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, home)
        run_quietly([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], home, name)
        shutil.copy(lock, seen)
    return node


def node_versions(lock: Path) -> dict[str, str]:
    """The versions that a `package-lock.json` names, by package."""
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {path.removeprefix("node_modules/"): found["version"] for path, found in packages.items() if path}


def run_quietly(command: list[str], folder: Path, name: str) -> None:
    """Run an installer. NotInstalled with its last line where it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{name}: {command[0]} did not finish within {_INSTALL_S:g} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        said = [line for line in lines if "complete log" not in line and line.split() != ["npm", "error"]]
        raise NotInstalled(f"{name}: {said[-1] if said else f'exit code {done.returncode}'}")
