"""Several processes on one port, seen as one: journal, scripts, sequences, listener."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from chatproof.fake_providers.journal.control_client import Fakes, FakesError, NotInTime
from chatproof.fake_providers.server.launcher import FakesProcess, FakesStartError, start_fakes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes cannot share a port there")

COUNT = 3
SCRIPT = 'about = "x"\n[[steps]]\ntext = "registered"\n'


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakesProcess]:
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "mine.toml").write_text(SCRIPT)
    with start_fakes(workers=COUNT, scripts=[folder]) as running:
        yield running


@pytest.fixture
async def fakes(process: FakesProcess) -> AsyncIterator[Fakes]:
    async with Fakes(process.url) as client:
        await client.clear()
        yield client


async def ask(url: str, text: str) -> httpx.Response:
    """On a connection of its own, so that any worker may get it."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    async with httpx.AsyncClient(headers={"authorization": "Bearer k"}, trust_env=False, timeout=10) as http:
        return await http.post(f"{url}/v1/chat/completions", json=body)


async def test_the_journal_is_whole_and_in_its_order(fakes: Fakes) -> None:
    assert (await fakes.health())["workers"] == COUNT
    for number in range(24):
        assert (await ask(fakes.url, f"scenario mine case n-{number}")).status_code == 200
    entries = await fakes.entries()
    assert [entry.case for entry in entries] == [f"n-{number}" for number in range(24)]
    ids = [entry.id for entry in entries]
    assert len(set(ids)) == 24
    assert len({number % COUNT for number in ids}) > 1, "all requests went to one worker"
    assert [entry.case for entry in await fakes.entries(limit=2)] == ["n-22", "n-23"]
    await fakes.clear()
    assert await fakes.entries() == []


async def test_a_registered_script_is_known_to_all(fakes: Fakes) -> None:
    await fakes.register("anew", SCRIPT)
    for _ in range(12):
        answer = (await ask(fakes.url, "scenario anew")).json()
        assert answer["choices"][0]["message"]["content"] == "registered"
    with pytest.raises(FakesError, match="not TOML"):
        await fakes.register("anew", "about = ")


async def test_a_sequence_goes_on_whichever_worker_is_asked(fakes: Fakes) -> None:
    await fakes.register("flaky", 'about = "x"\nsequence = ["server-error", "rate-limited", "bad-key", "hello"]\n')
    assert [(await ask(fakes.url, "scenario flaky case s")).status_code for _ in range(6)] == [500, 429, 401] + [
        200
    ] * 3


async def test_waits_see_all_workers(fakes: Fakes) -> None:
    waiting = [
        asyncio.create_task(fakes.wait_entries("w", 6, 10)),
        asyncio.create_task(fakes.wait_tokens("w", 20, 10)),
        asyncio.create_task(fakes.wait_ended("w", 10)),
    ]
    await asyncio.gather(*(ask(fakes.url, "scenario paced case w") for _ in range(6)))
    entries, _, ended = await asyncio.gather(*waiting)
    assert len(entries) == 6
    assert all(entry.ended for entry in ended)


async def test_a_wait_in_vain_ends_in_time(fakes: Fakes) -> None:
    before = time.monotonic()
    with pytest.raises(NotInTime, match="no request"):
        await fakes.wait_ended("never", 0.2)
    assert time.monotonic() - before < 3


async def test_all_refuse_and_accept_again(fakes: Fakes) -> None:
    await fakes.refuse_connections(20)
    for _ in range(8):
        with pytest.raises(httpx.ConnectError):
            await ask(fakes.url, "hello")
    await fakes.accept_connections()
    for _ in range(8):
        assert (await ask(fakes.url, "hello")).status_code == 200


async def test_bad_control_requests_are_400(fakes: Fakes) -> None:
    async with httpx.AsyncClient(base_url=fakes.url, trust_env=False) as http:
        for method, path in (
            ("GET", "/_fake/journal?limit=x"),
            ("GET", "/_fake/journal/wait"),
            ("GET", "/_fake/journal/wait?entries=1&timeout=nan"),
            ("POST", "/_fake/listener"),
            ("PUT", "/_fake/scripts/UPPER"),
        ):
            assert (await http.request(method, path)).status_code == 400, path
        assert (await http.get("/_fake/nowhere")).status_code == 404


async def test_a_port_of_workers_is_not_shared_with_strangers(process: FakesProcess) -> None:
    port = int(process.url.rpartition(":")[2])
    for workers in (1, 2):
        with pytest.raises(FakesStartError, match="Address already in use"):
            start_fakes(port, workers=workers)


def test_when_a_worker_ends_all_end(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chatproof.fake_providers", "--port", "0", "--workers", "2"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        assert parent.stdout.readline().startswith("chatproof fake providers on http://127.0.0.1:")
        children = [int(pid) for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
        assert len(children) == 2
        os.kill(children[0], signal.SIGKILL)
        assert parent.wait(10) == 2
        assert "ended by itself with code -9" in parent.stderr.read()
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not list(tmp_path.glob("fakes-*"))


@pytest.mark.parametrize("number", ["0", "65", "two"])
def test_a_bad_number_of_workers_is_refused(number: str) -> None:
    command = [sys.executable, "-m", "chatproof.fake_providers", "--workers", number]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert "is not a number from 1 to 64" in done.stderr
