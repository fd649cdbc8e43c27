"""One process that judges several servers side by side: `python -m tests.servers.judge_process`.

`LineProcess` asks it:

    {"name": "crlf", "options": {"only": ["SSE-01"], ...}}  ->  {"verdict": "pass", "rows": {...}, "output": "..."}

The servers run in one host, the fake providers in another: neither takes the time of those who judge. A server whose
memory the suite weighs has a host of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from chatproof.conformance.suite.judge import judge
from chatproof.conformance.suite.setup import Scene, environment
from chatproof.harness.common.kept_output import KeptOutput
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.started_server import StartedServer
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.console import remarks
from tests.servers.host import FAKES
from tests.servers.line_process import LineProcess, answer_lines, run

HOST = "tests.servers.host"
APART = {"leaks-memory"}  # it takes a gigabyte
KEY = "sk-chatproof-0f1e2d3c4b5a69788796a5b4"


class Judge:
    """The two hosts, and fakes that were used before and may be used again: they remember what they rendered."""

    def __init__(self, servers: LineProcess, fakes: LineProcess) -> None:
        self.servers, self.fakes = servers, fakes
        self.idle: list[int] = []
        self.contract = contract()

    async def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Judge one server."""
        name = question["name"]
        settings = Settings.read({"start": name, **question["options"]}, self.contract)
        fakes = self.idle.pop() if self.idle else await _port(self.fakes, {"open": FAKES})
        with ExitStack() as stack:
            host = stack.enter_context(LineProcess(HOST)) if name in APART else self.servers
            variables = environment(f"http://127.0.0.1:{fakes}", settings.providers[0], KEY, settings)
            port = await _port(host, {"open": name, "environment": variables})
            target = Target("http", "127.0.0.1", port)
            server = StartedServer(name, target, host.process, KeptOutput())
            said: list[str] = []
            scene = Scene(target, f"http://127.0.0.1:{fakes}", server, KEY)
            summary = await judge(settings, self.contract, scene, said.append)
            await _port(host, {"close": port})
        self.idle.append(fakes)
        return {
            "verdict": summary.verdict.value,
            "rows": {row.requirement.id: [row.requirement.level, row.verdict, row.seen] for row in summary.rows},
            "output": "\n".join(filter(None, [summary.error, *said, *remarks(summary.rows)])),
        }


async def _port(host: LineProcess, question: dict[str, Any]) -> int:
    return int((await asyncio.wrap_future(host.ask(question)))["port"])


async def main() -> None:
    """Answer until standard input ends."""
    with LineProcess(HOST) as servers, LineProcess(HOST) as fakes:
        await answer_lines(Judge(servers, fakes).answer)


if __name__ == "__main__":
    run(main)
