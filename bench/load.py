"""`python -m bench load`: the measurement error of load-test clients, ours beside Locust's, on one core each."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Final

from bench import guidellm
from bench.servers import Cores
from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.calibration.calibrate import serving
from chatproof.loadtests.calibration.known_script import KnownScript

CLIENTS: Final = {
    "ours-sse": "ours, SSE",
    "ours-socketio": "ours, Socket.IO",
    "fast-readline": "Locust FastHttpUser, `readline`",
    "fast-iter-lines": "Locust FastHttpUser, `iter_lines`",
    "requests": "Locust HttpUser, `iter_lines`",
    "socketio": "Locust SocketIOUser",
    guidellm.NAME: "GuideLLM, `/v1/chat/completions`",
}
LEVELS: Final = (1, 50, 200, 500)
QUICK_LEVELS: Final = (1, 20)
GOALS: Final = (("ours-sse", 500, 0.005), ("ours-socketio", 300, 0.005))
ROUNDS: Final = 3
BUSY: Final = 0.005
"""Seconds (p99). If the server itself wrote later than this, the machine was busy, and the row says nothing."""
_CLIENT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one client at one level. `found` is None if the client failed; `why` has the reason."""

    client: str
    streams: int
    found: dict[str, Any] | None
    why: str = ""

    @property
    def is_busy(self) -> bool:
        """Whether the machine was too busy for these figures."""
        late = (self.found or {}).get("server_late")
        return late is not None and late > BUSY


def run(quick: bool) -> int:
    """Measure and print the tables. Returns 0, or 1 if one of our clients failed."""
    cores = Cores.choose()
    levels = QUICK_LEVELS if quick else LEVELS
    program = guidellm.command()
    if program is None:
        sys.stderr.write("guidellm is not installed: it is not measured (see bench/README.md)\n")
    wanted = [(name, level) for level in levels for name in CLIENTS if program or name != guidellm.NAME]
    if not quick:
        wanted += [(name, level) for name, level, _ in GOALS if level not in levels]
    rows = []
    for name, level in wanted:
        sys.stderr.write(f"{CLIENTS[name]}: {level} streams\n")
        rounds = 1 if quick else ROUNDS
        if program and name == guidellm.NAME:
            rows.append(_measure_guidellm(program, level, rounds, cores))
        else:
            rows.append(_measure(name, level, rounds, cores))
    sys.stdout.write(_text(rows, quick))
    return int(any(row.found is None for row in rows if row.client.startswith("ours")))


def _measure(name: str, level: int, rounds: int, cores: Cores) -> Row:
    with cores.for_server():
        server = serving(KnownScript())
        port = server.__enter__()
    try:
        cores.pin_client()
        command = [sys.executable, "-m", "bench.load_client", name, str(port), str(level), str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_CLIENT_S, check=False)
    except subprocess.TimeoutExpired:
        return Row(name, level, None, f"did not end within {_CLIENT_S:.0f} s")
    except ChatproofError as error:
        return Row(name, level, None, str(error))
    finally:
        server.__exit__(None, None, None)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return Row(name, level, None, (done.stderr.strip().splitlines() or ["no answer"])[-1])
    return Row(name, level, found, next(iter(found.get("why", ())), ""))


def _measure_guidellm(program: str, level: int, rounds: int, cores: Cores) -> Row:
    try:
        return Row(guidellm.NAME, level, guidellm.measure(program, level, rounds, cores, _CLIENT_S))
    except subprocess.TimeoutExpired:
        return Row(guidellm.NAME, level, None, f"did not end within {_CLIENT_S:.0f} s")
    except (subprocess.CalledProcessError, OSError, ValueError, LookupError) as error:
        said = (getattr(error, "stderr", None) or str(error).encode()).decode(errors="replace").strip().splitlines()
        return Row(guidellm.NAME, level, None, (said or ["no answer"])[-1][:200])


def _text(rows: list[Row], quick: bool) -> str:
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    lines = [
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores (server on one, client on another), load "
        f"average {load} at the end; Python {platform.python_version()}.",
        "First token after 200 ms, then 100 tokens 10 ms apart; "
        f"{'one round, to see that it works' if quick else f'{ROUNDS} rounds'}.",
        "",
        "| client | streams | first token: error, ms (p50 / p99) | between tokens: error, ms (p50 / p99) | failed | "
        "client's core | server late, ms (p99) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        found = row.found
        if found is None:
            lines.append(f"| {CLIENTS[row.client]} | {row.streams} | - | - | all: {row.why} | - | - |")
            continue
        failed = f"{found['failed']}{f': {row.why}' if row.why else ''}"
        late = f"{_ms(found['server_late'])}{' **busy**' if row.is_busy else ''}"
        cpu = f"{found['cpu'] * 100:.0f} %"
        cells = [CLIENTS[row.client], str(row.streams), _pair(found["first"]), _pair(found["between"])]
        lines.append(f"| {' | '.join([*cells, failed, cpu, late])} |")
    if any(row.is_busy for row in rows):
        lines += [
            "",
            f"**busy**: the server itself wrote more than {_ms(BUSY)} ms late: measure again on a quiet machine.",
        ]
    return "\n".join([*lines, "", *([] if quick else _goals(rows))]) + "\n"


def _goals(rows: list[Row]) -> list[str]:
    lines = ["| goal | measured, ms | holds |", "| --- | --- | --- |"]
    for name, level, limit in GOALS:
        row = next(row for row in rows if (row.client, row.streams) == (name, level))
        if row.found is None or row.found["first"][1] is None:
            said, holds = "-", "**no**"
        else:
            worst = max(row.found["first"][1], row.found["between"][1])
            said, holds = _ms(worst), "yes" if worst < limit and not row.found["failed"] else "**no**"
            holds = "not judged: the machine was busy" if row.is_busy and holds != "yes" else holds
        lines.append(f"| {CLIENTS[name]}, {level} streams: p99 of both errors under {_ms(limit)} | {said} | {holds} |")
    return lines


def _pair(values: list[float | None]) -> str:
    return " / ".join(_ms(value) for value in values)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value * 1000:.2f}"
