"""What child processes that run a module of chatproof need to find it."""

from __future__ import annotations

import os
from pathlib import Path

import chatproof

ROOT = Path(chatproof.__file__).resolve().parent.parent
"""The folder that holds the package: the checkout's, or site-packages."""


def child_environment() -> dict[str, str]:
    """Variables for a child, in which `python -m chatproof.…` works from any folder: in a checkout too."""
    environment = dict(os.environ)
    if ROOT.name not in ("site-packages", "dist-packages"):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{known}" if known else str(ROOT)
    return environment
