"""Runs lines of bash, with what they print in one text."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path


def bash(
    script: str, folder: Path, variables: Mapping[str, str], *options: str, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder, with these environment variables alone.

    Args:
        options: bash's own, such as `-e`.
        timeout: seconds. Raises TimeoutExpired.

    Returns:
        Exit code, and standard output and errors as they came, in `stdout`.
    """
    return subprocess.run(
        ["bash", *options, "-c", script],
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
