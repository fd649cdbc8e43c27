"""`python -m bench load`: the measurement error of load-test clients, ours beside Locust's, on one core each."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from typing import Final

from bench import client_capacity, guidellm
from bench.load_row import BUSY, LoadRow
from bench.report import processor
from bench.servers import Cores
from chatproof.harness.common.child_process import launch, stop
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
ROUNDS: Final = 3
_CLIENT_S: Final = 120.0


def run(quick: bool, only_capacity: bool) -> int:
    """Measure and print the tables. Returns 0, or 1 if one of our clients failed."""
    cores = Cores.choose()
    rows = [] if only_capacity else _rows(quick, cores)
    found = client_capacity.measure(CLIENTS, lambda name, streams: _measure(name, streams, ROUNDS, cores), quick)
    parts = [_machine(), *([_text(rows, quick)] if rows else []), client_capacity.tables(found, CLIENTS)]
    sys.stdout.write("\n".join(parts))
    return int(any(row.found is None for row in rows if row.client.startswith("ours")))


def _rows(quick: bool, cores: Cores) -> list[LoadRow]:
    program = guidellm.command()
    if program is None:
        sys.stderr.write("guidellm is not installed: it is not measured (see bench/README.md)\n")
    rows = []
    for level in QUICK_LEVELS if quick else LEVELS:
        for name in CLIENTS:
            sys.stderr.write(f"{CLIENTS[name]}: {level} streams\n")
            rounds = 1 if quick else ROUNDS
            if name != guidellm.NAME:
                rows.append(_measure(name, level, rounds, cores))
            elif program:
                rows.append(_measure_guidellm(program, level, rounds, cores))
    return rows


def _measure(name: str, level: int, rounds: int, cores: Cores) -> LoadRow:
    with cores.for_server():
        server = serving(KnownScript())
        port = server.__enter__()
    try:
        cores.pin_client()
        command = [sys.executable, "-m", "bench.load_client", name, str(port), str(level), str(rounds)]
        said, told = _output(command)
    except subprocess.TimeoutExpired:
        return LoadRow(name, level, None, f"did not end within {_CLIENT_S:.0f} s")
    except ChatproofError as error:
        return LoadRow(name, level, None, str(error))
    finally:
        server.__exit__(None, None, None)
    try:
        found = json.loads(said)
    except ValueError:
        return LoadRow(name, level, None, (told.decode().strip().splitlines() or ["no answer"])[-1])
    return LoadRow(name, level, found, next(iter(found.get("why", ())), ""))


def _output(command: list[str]) -> tuple[bytes, bytes]:
    """What a program says on its two outputs. Raises TimeoutExpired."""
    process = launch(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        return process.communicate(timeout=_CLIENT_S)
    finally:
        stop(process)


def _measure_guidellm(program: str, level: int, rounds: int, cores: Cores) -> LoadRow:
    try:
        return LoadRow(guidellm.NAME, level, guidellm.measure(program, level, rounds, cores, _CLIENT_S))
    except subprocess.TimeoutExpired:
        return LoadRow(guidellm.NAME, level, None, f"did not end within {_CLIENT_S:.0f} s")
    except (subprocess.CalledProcessError, OSError, ValueError, LookupError) as error:
        said = (getattr(error, "stderr", None) or str(error).encode()).decode(errors="replace").strip().splitlines()
        return LoadRow(guidellm.NAME, level, None, (said or ["no answer"])[-1][:200])


def _machine() -> str:
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{platform.system()} {platform.machine()}, {processor()}{os.cpu_count()} cores (server on one, client on"
        f" another), load average {load} at the end; Python {platform.python_version()}.\n"
    )


def _text(rows: list[LoadRow], quick: bool) -> str:
    lines = [
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
    return "\n".join([*lines, ""])


def _pair(values: list[float | None]) -> str:
    return " / ".join(_ms(value) for value in values)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value * 1000:.2f}"
