"""One process that judges servers, one after the other: `python -m tests.servers.judge_process`.

`LineProcess` asks it:

    {"name": "crlf", "options": {"only": ["SSE-01"], ...}}  ->  {"verdict": "pass", "rows": {...}, "output": "..."}

It has two more processes, which stay as well: a host for the servers, and one for the fake providers. So none of the
three makes another one late, as it would in one process: many rows watch the time. A server whose memory is measured
has a host of its own, which ends with it, and takes a fifth of what the contract calls too much. A hurried one is
judged with shorter waits: its fault, which would take half a minute, shows sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from chatproof.conformance import test_long_time, test_perf
from chatproof.conformance.suite import second_try
from chatproof.conformance.suite.judge import judge
from chatproof.conformance.suite.setup import Scene, environment
from chatproof.harness.common.kept_output import KeptOutput
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.started_server import StartedServer
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report import remarks, situations, start_here
from tests.servers.host import FAKES
from tests.servers.line_process import LineProcess, answer_lines, run

HOST = "tests.servers.host"
# by name, the MB a session that such a server is allowed here
APART = {"leaks-memory": 10, "hoards-replies": 50, "hoards-sockets": 50, "pooled": 50}
HURRIED = {"REPLY": 7.0, "PACE": 0.1, "IDLE": 3.0, "QUIET": 3.0, "SILENT": 3.0, "PULSE": 2.0, "PATIENT": 4.0}  # seconds
SECOND_TRIES = 20.0  # seconds in one run
KEY = "sk-chatproof-0f1e2d3c4b5a69788796a5b4"


class Judge:
    """The hosts, and the fakes' port. The fakes stay open: they remember what they rendered."""

    def __init__(self, servers: LineProcess, fakes: LineProcess) -> None:
        self.servers, self.fakes = servers, fakes
        self.fakes_port = 0
        self.contract = contract()

    async def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Judge one server."""
        name = question["name"]
        settings = Settings.read({"start": name, **question["options"]}, self.contract)
        self.fakes_port = self.fakes_port or await _port(self.fakes, {"open": FAKES})
        fakes = f"http://127.0.0.1:{self.fakes_port}"
        with ExitStack() as stack:
            host = self.servers
            if name in APART:
                host = stack.enter_context(LineProcess(HOST))
                stack.enter_context(patch.object(test_perf, "PER_SESSION", APART[name]))
            if question.get("hurried"):
                for wait, seconds in HURRIED.items():
                    stack.enter_context(patch.object(test_long_time, wait, seconds))
            variables = environment(fakes, settings.providers[0], KEY, settings)
            port = await _port(host, {"open": name, "environment": variables})
            target = Target("http", "127.0.0.1", port)
            server = StartedServer(name, target, host.process, KeptOutput())
            said: list[str] = []
            scene = Scene(target, fakes, server, KEY, partial(_again, host, name, variables))
            summary = await judge(settings, self.contract, scene, said.append)
            await _port(host, {"close": port})
        return {
            "verdict": summary.verdict.value,
            "rows": {row.requirement.id: [row.requirement.level, row.verdict, row.seen] for row in summary.rows},
            "output": "\n".join(
                filter(
                    None,
                    [summary.error, *said, *start_here(summary.causes), *remarks(summary.rows), *situations(summary)],
                )
            ),
        }


@asynccontextmanager
async def _again(
    host: LineProcess, name: str, variables: Mapping[str, str], other: Mapping[str, str]
) -> AsyncIterator[Target]:
    """The same server once more, with some variables of its own."""
    port = await _port(host, {"open": name, "environment": {**variables, **other}})
    try:
        yield Target("http", "127.0.0.1", port)
    finally:
        await _port(host, {"close": port})


async def _port(host: LineProcess, question: dict[str, Any]) -> int:
    return int((await asyncio.wrap_future(host.ask(question)))["port"])


async def main() -> None:
    """Answer until standard input ends. Broken servers that let everybody wait are done sooner than in a user's run."""
    second_try.AT_MOST = SECOND_TRIES
    with LineProcess(HOST) as servers, LineProcess(HOST) as fakes:
        await answer_lines(Judge(servers, fakes).answer)


if __name__ == "__main__":
    run(main)
