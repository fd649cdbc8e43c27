"""Measures the client's own error: our readers against a script with known times, at the planned concurrency."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import pairwise
from typing import Final

import gevent  # type: ignore[import-untyped]  # gevent ships no types

from chatproof.harness.common.child_process import first_line, launch, module_command, stop
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.target import Target
from chatproof.loadtests.behaviour import Behaviour
from chatproof.loadtests.calibration.known_script import KnownScript
from chatproof.loadtests.client_error import MOST_CALIBRATED, Calibration
from chatproof.loadtests.histogram import Histogram
from chatproof.loadtests.load_generator import LoadGenerator
from chatproof.loadtests.readers.reading import Reading, StreamOutcome

ROUNDS: Final = 2
_STAMPS: Final = re.compile(rb'"received": "(\d{19})", "due": "(\d{19})", "sent": "(\d{19})"')
_START_S: Final = 10.0


@contextmanager
def serving(script: KnownScript) -> Iterator[int]:
    """Run the bare server in a process of its own, and give its port. Raises ChatproofError."""
    command = module_command("loadtests.calibration.stamp_server", json.dumps(asdict(script)))
    process = launch(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = first_line(process, _START_S).strip()
        if not line.isdigit():
            raise ChatproofError("the calibration server did not start")
        yield int(line)
    finally:
        stop(process)


def calibrate(
    transport: str, streams: int, script: KnownScript | None = None, rounds: int = ROUNDS, port: int | None = None
) -> Calibration:
    """Play the script to `streams` clients at the same time, `rounds` times.

    Args:
        transport: sse or socketio.
        port: that of a bare server which runs already with this script (default: start one).

    Raises:
        ChatproofError: the server did not start, or too few streams were complete.
    """
    script = script or KnownScript()
    errors = _Errors()
    with serving(script) if port is None else nullcontext(port) as port:
        generator = LoadGenerator(
            Target("http", "127.0.0.1", port), Behaviour(transport=transport, rotate=False, sample=10_000)
        )
        generator.on_reading = errors.readings.append  # compared at the end, when nothing is being stamped
        began, cpu = time.monotonic(), time.process_time()
        try:
            users = [
                gevent.spawn(_user, generator, index / streams * script.seconds, rounds) for index in range(streams)
            ]
            with generator.quiet():
                gevent.joinall(users, timeout=script.seconds * (rounds + 1) * 5 + 10)
            used = (time.process_time() - cpu) / (time.monotonic() - began)
            gevent.killall(users)
            generator.finish(0)
        finally:
            generator.close()
    return errors.of(transport, streams, used)


def _user(generator: LoadGenerator, wait: float, rounds: int) -> None:
    gevent.sleep(wait)
    reader = generator.connect() if generator.options.transport == "socketio" else None
    if generator.options.transport == "socketio" and reader is None:
        return
    for _ in range(rounds):
        if reader is not None:
            generator.ask_on(reader, generator.compose())
        else:
            generator.ask(generator.compose())
    if reader is not None:
        reader.close()


class _Errors:
    """The client's errors, from streams whose events hold the server's own stamps."""

    def __init__(self) -> None:
        self.first, self.between, self.late = Histogram(), Histogram(), Histogram()
        self.readings: list[Reading] = []
        self.replies = self.failed = 0
        self.why = ""

    def take(self, reading: Reading) -> None:
        """Compare the times of one stream with the stamps in its events."""
        stamps = [[int(part) / 1e9 for part in found] for found in _STAMPS.findall(reading.recording.raw)]
        if reading.outcome is not StreamOutcome.COMPLETE or len(stamps) != len(reading.token_times):
            self.failed += 1
            self.why = reading.detail or str(reading.outcome)
            return
        self.replies += 1
        assert reading.first_token is not None
        received, _, sent = stamps[0]
        self.first.add(abs(reading.first_token - (sent - received)))
        measured = [later - earlier for earlier, later in pairwise(reading.token_times)]
        written = [later[2] - earlier[2] for earlier, later in pairwise(stamps)]
        self.between.extend(abs(ours - true) for ours, true in zip(measured, written, strict=True))
        self.late.extend(sent - due for _, due, sent in stamps)

    def of(self, transport: str, streams: int, cpu: float) -> Calibration:
        """The errors found. Raises ChatproofError where too few streams were complete."""
        for reading in self.readings:
            self.take(reading)
        self.readings.clear()
        if self.replies < max(1, self.failed):
            raise ChatproofError(f"calibration failed: {self.failed} of its streams were not complete: {self.why}")

        def figure(histogram: Histogram, percent: float) -> float:
            return histogram.percentile(percent) or 0.0

        return Calibration(
            transport,
            streams,
            self.replies,
            first_token_p50=figure(self.first, 50),
            first_token_p99=figure(self.first, 99),
            inter_token_p50=figure(self.between, 50),
            inter_token_p99=figure(self.between, 99),
            server_late_p99=figure(self.late, 99),
            client_cpu=cpu,
            failed=self.failed,
        )


def measured(transport: str, streams: float) -> Calibration:
    """Calibrate for a run with that many streams at a time, whatever its transport, and say what was found."""
    kind = "socketio" if transport.startswith("socket") else "sse"
    calibration = calibrate(kind, max(1, min(MOST_CALIBRATED, math.ceil(streams))))
    sys.stderr.write(f"{told(calibration)}\n")
    return calibration


def told(calibration: Calibration) -> str:
    """A calibration as two lines of text."""
    one = calibration
    ms = [f"{value * 1000:.2f}" for value in (one.first_token_p50, one.first_token_p99)]
    gap = [f"{value * 1000:.2f}" for value in (one.inter_token_p50, one.inter_token_p99)]
    late = f"{one.server_late_p99 * 1000:.2f}"
    return (
        f"calibration: {one.streams} streams over {one.transport}: the client's own error is {ms[0]} ms (p50) and "
        f"{ms[1]} ms (p99)\nfor the first token, {gap[0]} and {gap[1]} ms between tokens; "
        f"client at {one.client_cpu * 100:.0f} % of a core, server late by {late} ms (p99)"
    )
