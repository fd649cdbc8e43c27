"""The lines of a report repeat the failure: a shell runs them against the broken server, and its fault is back."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from chatproof.conformance.suite.judge import judge
from chatproof.conformance.suite.setup import Scene, environment
from chatproof.fake_providers.server.fake_server import FakeServer
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.requirements import contract
from tests.harness.test_repetition import run
from tests.servers.catalogue import SERVERS
from tests.servers.parts import Config

KEY = "sk-chatproof-0f1e2d3c4b5a69788796a5b4"


async def repeated(server_name: str, row_id: str) -> str:
    """Judge one row of a broken server, run the lines that its report prints, and give what they print."""
    rows, fakes = contract(), FakeServer()
    await fakes.start()
    url = f"http://127.0.0.1:{fakes.port}"
    settings = Settings.read({"start": server_name, "only": [row_id], "provider": ["openai"]}, rows)
    server = SERVERS[server_name](Config.read(environment(url, "openai", KEY, settings)))
    try:
        scene = Scene(Target("http", "127.0.0.1", await server.start()), url, None, KEY)
        (row,) = (await judge(settings, rows, scene)).rows
        assert (row.verdict, bool(row.repeat)) == ("violated", True), row.seen
        lines = row.repeat.replace("sleep(10)", "sleep(2)")
        return (await asyncio.get_running_loop().run_in_executor(None, run, lines)).stdout
    finally:
        await server.stop()
        await fakes.stop()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("server_name", "row_id", "fault"),
    [
        ("early-end", "ERR-03", '"done":true'),  # the provider's reply was cut: a completion is the fault
        ("crash-on-bad-json", "REQ-04", "HTTP/1.1 500"),
        ("ids-differ", "SES-14", "HTTP/1.1 404"),  # after an ask that used the session
        ("no-memory", "SES-07", '"messages": [{"role": "user", "content": "What is my name?'),  # in the journal
    ],
)
def test_a_curl_line_shows_the_fault_again(server_name: str, row_id: str, fault: str) -> None:
    assert fault in asyncio.run(repeated(server_name, row_id))


def test_python_lines_show_the_fault_again() -> None:
    """The tokens of two asks on one socket are mixed."""
    counts = [
        line.partition("'count': ")[2].partition(",")[0]
        for line in asyncio.run(repeated("interleaved", "SIO-11")).split("\n")
    ]
    numbers = [int(one) for one in counts if one]
    assert numbers.count(1) == 2
    assert numbers != sorted(numbers[: numbers.index(1, 1)]) + sorted(numbers[numbers.index(1, 1) :])
