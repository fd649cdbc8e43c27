"""Runs made of streams whose times are known."""

from __future__ import annotations

import random
from typing import Any

from chatproof.harness.protocol.transcript import End, Transport
from chatproof.loadtests.client_error import Calibration
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.objectives import DEFAULT, parse_objectives, stream_limits
from chatproof.loadtests.readers.reading import Reading, StreamOutcome
from chatproof.loadtests.readers.stream_recording import StreamRecording
from chatproof.loadtests.result import Result

EPOCH = 1_780_000_000.0


def stream(times: list[float], outcome: StreamOutcome = StreamOutcome.COMPLETE, start: float = 0.0) -> Reading:
    """A stream that was asked at `start`, with tokens so many seconds later."""
    recording = StreamRecording(Transport.SSE, start or 1.0)
    start = recording.intended_at
    recording.ended(start + times[-1] if times else start + 1, End.COMPLETE)
    ended = recording.ended_at if outcome is StreamOutcome.COMPLETE else None
    return Reading(outcome, recording, "", 200, [start + at for at in times], ended)


def metrics_of(count: int = 300, *, first: float = 0.25, gap: float = 0.05, cut: int = 0, seed: int = 4) -> Metrics:
    """So many streams in half a minute. `first`: the median first token; `cut`: so many of them end too early."""
    randoms = random.Random(seed)
    metrics = Metrics(EPOCH, stream_limits(parse_objectives(DEFAULT)))
    for index in range(count):
        at = first * randoms.lognormvariate(0, 0.35)
        times = [at]
        for _ in range(24):
            times.append(times[-1] + gap * randoms.lognormvariate(0, 0.25) + 0.4 * (randoms.random() < 0.01))
        is_cut = index % (count // cut) == 0 if cut else False
        outcome = StreamOutcome.CUT if is_cut else StreamOutcome.COMPLETE
        metrics.take(stream(times[:9] if is_cut else times, outcome, 1.0 + 30 * index / count))
    metrics.trust["checked"] = count // 20
    return metrics


def a_run(metrics: Metrics | None = None, **meta: Any) -> Result:
    """A run as the command makes one."""
    arrivals = {"loop": "open", "shape": "constant", "peak": 10, "duration": 30, "poisson": False}
    crew = {"begun": {"one": 150, "two": 150}, "lost": {}, "refused": {}, "whole": True}
    given: dict[str, Any] = {
        "url": "http://127.0.0.1:5000",
        "transport": "sse",
        "arrivals": arrivals,
        "started": EPOCH + 1,
        "seconds": 31.5,
        "interrupted": False,
        "workers": 2,
        "crew": crew,
        "versions": {"chatproof": "0.1.0"},
    }
    calibration = Calibration("sse", 20, 40, 0.0004, 0.0031, 0.0001, 0.0011, 0.0004, 0.12)
    return Result.of({**given, **meta}, metrics or metrics_of(cut=12), calibration, parse_objectives(DEFAULT))
