"""Runs the JavaScript side: scripts of a folder that print JSON, with the clients of its package.json."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

JS: Final = Path(__file__).parent / "js"
_DEADLINE: Final = 60.0  # seconds; a cold start of node on a busy machine takes several


def missing(package: str, folder: Path = JS) -> str | None:
    """Why the npm package cannot be driven here; None if it can."""
    if shutil.which("node") is None:
        return "node is not installed: apt-get install nodejs npm"
    if not (folder / "node_modules" / package).is_dir():
        return f"npm's {package} is not installed: npm ci in {'/'.join(folder.parts[-3:])}"
    return None


def needs(package: str, folder: Path = JS) -> pytest.MarkDecorator:
    """Skips the tests where the npm package is not installed."""
    reason = missing(package, folder)
    return pytest.mark.skipif(reason is not None, reason=reason or "")


async def run(script: str, *arguments: str, folder: Path = JS) -> Any:
    """The JSON that the script prints as its last line. Only loopback is in reach: proxies are left out."""
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = await asyncio.create_subprocess_exec(
        "node",
        str(folder / script),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _DEADLINE)
    except TimeoutError:
        process.kill()
        await process.wait()
        pytest.fail(f"{script} did not end within {_DEADLINE:g} s")
    assert process.returncode == 0, f"{script} {arguments}: {errors.decode()[-2000:]}"
    return json.loads(output.decode().rstrip("\n").split("\n")[-1])
