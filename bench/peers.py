"""Installing what is measured beside us, into a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

AIMOCK: Final = "1.43.0"
LLMOCK: Final = "0.2.2"

_PACKAGE: Final = "@copilotkit/aimock"
_INSTALL_S: Final = 300.0


class NotInstalled(Exception):
    """A peer cannot be had here. One line."""


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


def default_folder() -> Path:
    """A folder in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(cache) if cache else Path.home() / ".cache") / "chatproof" / "bench-peers"


def install_aimock(folder: Path) -> Aimock:
    """NotInstalled where Node, npm or the registry is missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalled("aimock needs node and npm")
    home = folder / f"aimock-{AIMOCK}"
    package = home / "node_modules" / _PACKAGE
    if not (package / "package.json").is_file():
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text('{"private": true}\n')
        flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
        _run([npm, "install", *flags, f"{_PACKAGE}@{AIMOCK}"], home, "aimock")
    manifest = json.loads((package / "package.json").read_text())
    return Aimock((node, str(package / manifest["bin"]["llmock"])), manifest["version"])


def install_llmock(folder: Path) -> Llmock:
    """NotInstalled where the package index is out of reach."""
    home = folder / f"llmock-{LLMOCK}-py{sys.version_info.major}.{sys.version_info.minor}"
    programs = home / ("Scripts" if sys.platform == "win32" else "bin")
    script = programs / ("llmock.exe" if sys.platform == "win32" else "llmock")
    if not script.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        venv.create(home, with_pip=True, clear=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, f"llmock=={LLMOCK}"], home, "llmock")
    return Llmock((str(script),), LLMOCK)


def _run(command: list[str], folder: Path, name: str) -> None:
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
