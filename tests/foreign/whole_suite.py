"""The whole suite against a server, as its developer would run it."""

from __future__ import annotations

from pathlib import Path

from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM
from chatproof.harness.protocol.requirements import Profile, Requirement, contract
from tests.suite.running import PASS
from tests.suite.test_running import run

TRIES = 2  # beside other tests, which keep the machine busy, a good server may fail once


def assert_every_row_is_kept(folder: Path, start: str) -> None:
    """MUST and SHOULD, of every profile. `folder`: for the report. `start`: the command of the server."""
    for _ in range(TRIES):
        code, output, rows = run(folder, "--start", start, "--provider", "openai", "--profile", "all", "--strict")
        if code == PASS:
            break
    assert code == PASS, output
    wanted = {row.id for row in contract() if is_judged(row)}
    others = {row["id"]: (row["verdict"], row["seen"]) for row in rows if row["verdict"] != "passed"}
    assert not others.keys() & wanted, output
    assert wanted <= {row["id"] for row in rows}


def is_judged(row: Requirement) -> bool:
    """Whether a row is asked of every server that speaks the API document's own api."""
    return not row.excluded and row.holds_for(CHAT_STREAM) and Profile.RESUME not in row.profiles
