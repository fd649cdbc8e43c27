"""What the robustness tests measure of a server from outside, and where they write it down."""

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

MB = 1_000_000


def recording() -> bool:
    """Whether this run records figures for docs/reliability.md."""
    return bool(os.environ.get("CHATPROOF_FIGURES"))


def record(test: str, **figures: float) -> None:
    """Add figures to the JSON file that the variable CHATPROOF_FIGURES names, if it is set."""
    if recording():
        path = Path(os.environ["CHATPROOF_FIGURES"])
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        known.setdefault(test, {}).update({key: round(value, 3) for key, value in figures.items()})
        path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def memory(pid: int) -> float:
    """Resident memory in MB."""
    return psutil.Process(pid).memory_info().rss / MB


def open_files(pid: int) -> int:
    return psutil.Process(pid).num_fds()


def until(is_so: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is so; returns the seconds that it took."""
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - started


class Answers:
    """How fast a server answers others meanwhile, in seconds."""

    def __init__(self, url: str, times: int = 20) -> None:
        self.all = []
        with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
            for _ in range(times):
                started = time.monotonic()
                assert client.get("/health").status_code == 200
                self.all.append(time.monotonic() - started)

    @property
    def median(self) -> float:
        return statistics.median(self.all)

    @property
    def worst(self) -> float:
        return max(self.all)
