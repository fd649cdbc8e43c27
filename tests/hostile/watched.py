"""One run of the suite, in a process of its own, with its memory watched and what it leaves behind looked for."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
EVERY = 0.03  # seconds between two looks: what the system calls a peak counts the parent's memory, from before the exec
KEPT_FOR_LATER = "data-gym-cache"  # of tiktoken's vocabularies, which it keeps for the next run
SETTLES = 3.0  # seconds in which what was started must have ended


@dataclass(frozen=True, slots=True)
class Watched:
    """What a run took: seconds, and MB at the peak of the suite's own process. `code` is None where it had to be
    killed; `left` names processes and files that are still there."""

    code: int | None
    seconds: float
    memory: float
    output: str
    left: tuple[str, ...]


def watch(words: Sequence[str], folder: Path, limit: float, expected: Sequence[str] = ()) -> Watched:
    """Run a command in an empty folder, which is its home for temporary files too.

    Args:
        limit: seconds after which it is killed.
        expected: names of the files that it shall write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    began, peak, children = time.monotonic(), 0, dict[int, psutil.Process]()
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        seen, killed, looked = psutil.Process(process.pid), False, 0.0
        while process.poll() is None:
            with suppress(psutil.Error):
                peak = max(peak, seen.memory_info().rss)
                if time.monotonic() > looked + 0.5:
                    looked = time.monotonic()
                    children |= {one.pid: one for one in seen.children(recursive=True)}
            if time.monotonic() > began + limit:
                killed = True
                process.kill()
            time.sleep(EVERY)
    seconds = time.monotonic() - began
    _, alive = psutil.wait_procs(children.values(), SETTLES)
    left = [f"process {one.pid}" for one in alive]
    for one in alive:
        with suppress(psutil.Error):
            one.kill()
    left += sorted(path.name for path in folder.iterdir() if path.name not in {"output", KEPT_FOR_LATER, *expected})
    text = (folder / "output").read_text(encoding="utf-8", errors="replace")
    return Watched(None if killed else process.returncode, seconds, peak / 2**20, text, tuple(left))
