"""`python -m bench stamping`: CPU time that the load tests' client takes for each token, beside another checkout's."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.report import table

CLIENT: Final = Path(__file__).with_name("stamp_client.py")
STEPS: Final = {
    "stamp 1": "stamped and kept, when one token is there at a time",
    "stamp 20": "stamped and kept, 20 at a time",
    "stamp 500": "stamped and kept, 500 at a time",
    "parse": "parsed, after the stream's end",
    "figures": "counted in the figures",
}
TRANSPORTS: Final = {"sse": "SSE", "socketio": "Socket.IO"}
TURNS: Final = 3
_CLIENT_S: Final = 300.0


def run(quick: bool, beside: Path | None) -> int:
    """Measure this checkout's package and, in turn with it, `beside`'s, and print a table in Markdown.

    Raises CalledProcessError where a client failed; it has said why.
    """
    checkouts = {"this checkout": Path(__file__).parents[1], **({str(beside): beside.absolute()} if beside else {})}
    turns = 1 if quick else TURNS
    found: dict[tuple[str, str, str], list[float]] = {}
    for turn in range(turns):
        sys.stderr.write(f"turn {turn + 1} of {turns}\n")
        for transport in ("bare", *TRANSPORTS):
            for name, checkout in checkouts.items():
                if transport != "bare" or name == "this checkout":
                    for step, value in _measure(transport, checkout).items():
                        found.setdefault((transport, step, name), []).append(value)
    rows = [["transport", "step", "a bare reader", *checkouts]]
    for transport, shown in TRANSPORTS.items():
        for step, about in STEPS.items():
            figures = [_figure(found.get((transport, step, name), [])) for name in checkouts]
            rows.append([shown, about, _figure(found.get(("bare", step, "this checkout"), [])), *figures])
    size = f"500 streams of 100 tokens; µs of CPU for each token: median of {turns} turns (least to most)."
    sys.stdout.write(f"{size}\n\n{table(rows)}\n")
    return 0


def _measure(transport: str, checkout: Path) -> dict[str, float]:
    variables = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-P", str(CLIENT), transport]
    done = subprocess.run(command, env=variables, cwd=checkout, stdout=subprocess.PIPE, timeout=_CLIENT_S, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _figure(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else "-"
