"""Builds the wheel, and gives an environment that has it the dependencies that are installed here. No network."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

from bench.install import Installed, needs

ROOT = Path(__file__).parent.parent


def build(source: Path, folder: Path, *targets: str) -> None:
    """Build a checkout's archives into a folder. `targets`: such as `-t wheel`."""
    command = [sys.executable, "-m", "hatchling", "build", *targets, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=60)


def wheel_in(folder: Path) -> Path:
    """The one wheel in a folder."""
    (wheel,) = folder.glob("chatproof-*.whl")
    return wheel


def link_dependencies(home: Path, links: Path, wheel: Path, extras: Sequence[str] = ()) -> None:
    """Give a virtual environment what the wheel needs with these extras.

    Args:
        home: the environment's folder.
        links: a new folder for links to what is installed here.
    """
    here = Path(sysconfig.get_paths()["purelib"])
    (chatproof,) = distributions(path=[str(wheel)])
    installed = Installed.read(here)
    links.mkdir()
    for name in installed.closure(needs(chatproof, extras)):
        for top in {file.parts[0] for file in installed.found[name].files or []} - {"..", "__pycache__"}:
            if not (links / top).exists():
                (links / top).symlink_to(here / top)
    paths = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})
    Path(paths["purelib"], "dependencies.pth").write_text(f"{links}\n", encoding="utf-8")
