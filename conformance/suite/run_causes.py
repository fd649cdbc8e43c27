"""The causes that a run itself sees, before any row is judged: no server, no chat server, no provider, a crash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatproof.conformance.suite.lane_state import NOT_RUN, LaneState
from chatproof.harness.report.crash import Crash
from chatproof.harness.report.root_causes import Cause

START = "--start: "  # errors of a server's start begin with the option
OUTPUT = "Read the server's whole output: --server-log FILE writes it."


def run_causes(lanes: Sequence[LaneState], error: str) -> Iterator[Cause]:
    """What explains rows as a whole, in the order in which it stops a run. `error`: why the run could not judge."""
    if error:
        is_start = error.startswith(START)
        title = "The server does not start" if is_start else "The run could not judge the server"
        yield Cause(title, error.removeprefix(START), OUTPUT if is_start else "", reason=NOT_RUN)
    for lane in lanes:
        if lane.unfit:
            do = "Send this request by hand and mend its answer first. " + OUTPUT
            yield Cause(
                "The server does not answer an ordinary request with a reply", lane.unfit, do, reason=lane.unfit
            )
        elif lane.missing:
            yield Cause(
                "The server never asks the fake provider", lane.no_provider, lane.advice, reason=lane.no_provider
            )
        if lane.stopped and lane.stopped != lane.no_provider and not lane.crashes:
            yield Cause("The run ended early", lane.stopped, OUTPUT, reason=lane.stopped)
        for crash in lane.crashes:
            if crash.text != lane.unfit:
                yield _crashed(crash)


def _crashed(crash: Crash) -> Cause:
    do = (
        "Catch the error in the handler of this ask: no client may end the server for all others. " if crash.ask else ""
    )
    title = f"{crash.title[0].upper()}{crash.title[1:]}"
    return Cause(title, crash.details, do + OUTPUT, reason=crash.text, repeat=crash.repeat)
