"""The fakes in process: pace, hang-ups, refusals, and who else is served besides them."""

from __future__ import annotations

import asyncio
import gc
import http.server
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
import respx
from respx.models import AllMockedAssertionError

from chatproof.fake_providers.scripting.script import ScriptError
from chatproof.fake_providers.testing.inprocess import InProcess
from tests.timing import timed

HEADERS = {"authorization": "Bearer sk-secret"}
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2])


def question(text: str, *, stream: bool = True) -> dict[str, Any]:
    return {"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": text}]}


def url(fakes: InProcess) -> str:
    return f"{fakes.base_url}/chat/completions"


@pytest.fixture
def fakes() -> Iterator[InProcess]:
    with InProcess() as running:
        yield running


@pytest.fixture
def instant() -> Iterator[InProcess]:
    with InProcess(pace=0) as running:
        yield running


@timed
@LIBRARIES
def test_a_stream_comes_at_the_scripts_pace(fakes: InProcess, library: Any) -> None:
    seen = []
    with library.Client(headers=HEADERS) as client:
        start = time.monotonic()
        with client.stream("POST", url(fakes), json=question("scenario paced case p")) as response:
            seen = [time.monotonic() - start for data in response.iter_raw() if b'"content":' in data]
    late = [at - 0.05 * number for number, at in enumerate(seen[-20:])]
    assert min(late) > -0.001
    assert sorted(late)[10] < 0.03
    [entry] = fakes.journal.entries("p")
    assert [round(write.at - entry.received, 3) for write in entry.writes] == [round(0.05 * n, 3) for n in range(21)]


@timed
@LIBRARIES
async def test_async_streams_run_side_by_side(fakes: InProcess, library: Any) -> None:
    async with library.AsyncClient(headers=HEADERS) as client:
        start = time.monotonic()
        replies = await asyncio.gather(*(client.post(url(fakes), json=question("scenario paced")) for _ in range(20)))
        assert 0.99 < time.monotonic() - start < 2
    assert len({reply.text for reply in replies}) == 1


@timed
@LIBRARIES
def test_without_a_pace_nothing_is_waited_for(instant: InProcess, library: Any) -> None:
    start = time.monotonic()
    with library.Client(headers=HEADERS) as client:
        for name in ("minute", "slow-start", "pairs"):
            assert client.post(url(instant), json=question(f"scenario {name}")).text.endswith("data: [DONE]\n\n")
    assert time.monotonic() - start < 2
    assert [entry.ended for entry in instant.journal.entries()] == ["completed"] * 3


@timed
@pytest.mark.parametrize("pace", [0, 0.05, 1])
@LIBRARIES
def test_what_times_out_does_so_at_every_pace(library: Any, pace: float) -> None:
    with InProcess(pace=pace) as fakes, library.Client(headers=HEADERS, timeout=0.4) as client:
        start = time.monotonic()
        with pytest.raises(library.ReadTimeout):
            client.post(url(fakes), json=question("scenario slow-start"))
        assert 0.4 * pace <= time.monotonic() - start < 0.4 * pace + 0.3
        assert client.post(url(fakes), json=question("scenario slow")).status_code == 200
    first, second = fakes.journal.entries()
    assert (first.ended, second.ended) == ("client_closed", "completed")


@LIBRARIES
def test_a_stream_closed_early_says_how_far_it_came(instant: InProcess, library: Any) -> None:
    with library.Client(headers=HEADERS) as client:
        with client.stream("POST", url(instant), json=question("scenario paced case early")) as response:
            for data in response.iter_text():
                if '" leaves"' in data:
                    break
        entry = instant.journal.assert_cancelled("early", within=0)
        assert (entry.tokens, entry.text, entry.status) == (3, "A train leaves", 200)


def test_what_was_due_at_the_hang_up_was_sent_although_nobody_read_it(fakes: InProcess) -> None:
    with httpx.Client(headers=HEADERS) as client:
        with client.stream("POST", url(fakes), json=question("scenario paced case idle")) as response:
            chunks = response.iter_raw()
            next(chunks)
            time.sleep(0.22)  # the time that passes is what is tested
        entry = fakes.journal.assert_cancelled("idle", within=0)
    assert entry.tokens >= 5  # more, if the machine slept longer
    assert entry.hangup_after is not None
    assert entry.ended_at is not None
    assert 0 < entry.hangup_after < 0.05
    assert entry.ended_at - entry.hangup_after == pytest.approx(entry.received + 0.05 * (entry.tokens - 1))


@LIBRARIES
async def test_a_cancelled_task_hangs_up_at_once(fakes: InProcess, library: Any) -> None:
    async with library.AsyncClient(headers=HEADERS) as client:
        asking = asyncio.create_task(client.post(url(fakes), json=question("scenario minute case gone")))
        await fakes.journal.aio.wait_tokens("gone", 3)
        asking.cancel()
        entry = await fakes.journal.aio.assert_cancelled("gone", within=0.5)
        assert 3 <= entry.tokens < 10
        with pytest.raises(asyncio.CancelledError):
            await asking


def test_a_response_that_nobody_keeps_ends_as_its_socket_would(instant: InProcess) -> None:
    with httpx.Client(headers=HEADERS) as client:
        response = client.send(
            client.build_request("POST", url(instant), json=question("scenario paced case lost")), stream=True
        )
        assert instant.journal.entries("lost")[0].ended is None
        del response
        gc.collect()
        instant.journal.assert_cancelled("lost", within=0)


@LIBRARIES
async def test_refused_connections(fakes: InProcess, library: Any) -> None:
    fakes.refusing = True
    with library.Client(headers=HEADERS) as client, pytest.raises(library.ConnectError):
        client.post(url(fakes), json=question("hi"))
    async with library.AsyncClient(headers=HEADERS) as async_client:
        with pytest.raises(library.ConnectError):
            await async_client.post(url(fakes), json=question("hi"))
        fakes.refusing = False
        assert (await async_client.post(url(fakes), json=question("hi"))).status_code == 200


@pytest.mark.parametrize("timeout", [None, 600])
async def test_a_client_that_would_wait_for_ever_fails(timeout: float | None) -> None:
    with InProcess(patience=0.1) as fakes:
        with httpx.Client(timeout=timeout) as client, pytest.raises(AssertionError, match="so the test would hang"):
            client.post(url(fakes), json=question("scenario stall"), headers=HEADERS)
        async with httpx2.AsyncClient(timeout=timeout) as async_client:
            with pytest.raises(AssertionError, match="so the test would hang"):
                await async_client.post(url(fakes), json=question("scenario stall"), headers=HEADERS)


def test_threads_may_ask_at_the_same_time(instant: InProcess) -> None:
    with httpx.Client(headers=HEADERS) as client, ThreadPoolExecutor(8) as pool:
        asks = [pool.submit(client.post, url(instant), json=question(f"scenario hello case t{n}")) for n in range(80)]
        assert {ask.result().status_code for ask in asks} == {200}
    assert len(instant.journal.entries()) == 80
    assert all(len(instant.journal.entries(f"t{number}")) == 1 for number in range(80))


def test_a_thread_waits_for_another(fakes: InProcess) -> None:
    with httpx.Client(headers=HEADERS) as client, ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.post, url(fakes), json=question("scenario paced case other"))
        [running] = fakes.journal.wait_tokens("other", 4)
        assert running.ended is None
        assert fakes.journal.assert_completed("other").tokens == 20
        asking.result()


async def test_a_wait_that_would_stop_the_event_loop_is_refused(fakes: InProcess) -> None:
    with pytest.raises(RuntimeError, match=r"await journal\.aio"):
        fakes.journal.wait_ended("never")


@LIBRARIES
def test_scripts_of_ones_own_and_in_turn(instant: InProcess, library: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('about = "x"\n[[steps]]\ntokens = ["from a file"]\n')
    instant.script("said", 'about = "x"\n[[steps]]\ntokens = ["registered"]\n')
    instant.plays("rate-limited", "said")
    with library.Client(headers=HEADERS) as client:
        for _ in range(2):
            statuses = [client.post(url(instant), json=question("Whatever I ask")).status_code for _ in range(3)]
            assert statuses == [429, 200, 200]
            instant.plays("rate-limited", "said")
        assert "registered" in client.post(url(instant), json=question("scenario said", stream=False)).text
        with InProcess(pace=0, scripts=[tmp_path], hosts=["other.test"]) as more:
            assert more.journal.entries() == []
            reply = client.post("https://other.test/v1/chat/completions", json=question("scenario mine", stream=False))
            assert reply.json()["choices"][0]["message"]["content"] == "from a file"
    with pytest.raises(ScriptError, match="unknown key"):
        instant.script("bad", 'about = "x"\nstepps = 1\n[[steps]]\ntext = "x"')
    with pytest.raises(ValueError, match="pace must be 0 or more"):
        InProcess(pace=-1)


def test_keys_are_redacted_and_real_hosts_answered_for(instant: InProcess) -> None:
    with httpx.Client(headers=HEADERS) as client:
        reply = client.post("https://api.openai.com/v1/chat/completions?key=secret", json=question("scenario hello"))
        assert reply.http_version == "HTTP/1.1"
    [entry] = instant.journal.entries()
    assert "secret" not in str(entry.to_json())
    assert entry.headers["authorization"] == "Bearer [redacted]"


class _Local(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"local")

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def neighbour() -> Iterator[str]:
    """Another server on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Local) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@LIBRARIES
async def test_other_traffic_goes_its_way(fakes: InProcess, neighbour: str, library: Any) -> None:
    with InProcess("gemini"), library.Client(trust_env=False) as client:
        assert client.get(neighbour).text == "local"
    async with library.AsyncClient(trust_env=False) as async_client:
        assert (await async_client.get(neighbour)).text == "local"
    assert fakes.journal.entries() == []


@pytest.mark.parametrize("ours_first", [True, False])
def test_respx_routers_of_the_test_stay_in_force(ours_first: bool) -> None:
    ours, theirs = InProcess(pace=0), respx.mock(assert_all_called=False)
    first, second = (ours, theirs) if ours_first else (theirs, ours)
    with first, second, httpx.Client(headers=HEADERS, trust_env=False) as client:
        theirs.get("https://billing.test/").respond(text="mocked")
        assert client.get("https://billing.test/").text == "mocked"
        assert client.post(url(ours), json=question("scenario hello")).status_code == 200
        with pytest.raises(AllMockedAssertionError):
            client.get("https://elsewhere.test/")


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_nothing_is_left_behind(library: ModuleType) -> None:
    def methods() -> tuple[object, object]:
        return library.HTTPTransport.handle_request, library.AsyncHTTPTransport.handle_async_request

    before = methods()
    with InProcess("gemini"), InProcess():
        assert all(now is not then for now, then in zip(methods(), before, strict=True))
    assert methods() == before


@LIBRARIES
async def test_a_clients_own_transport_and_streamed_bodies_work_too(instant: InProcess, library: Any) -> None:
    body = json.dumps(question("scenario three-tokens case own")).encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:20]
        yield body[20:]

    with library.Client(headers=HEADERS, transport=library.HTTPTransport(retries=1)) as client:
        assert client.post(url(instant), content=iter([body[:20], body[20:]])).text.endswith("data: [DONE]\n\n")
    async with library.AsyncClient(headers=HEADERS, transport=library.AsyncHTTPTransport(retries=1)) as async_client:
        assert (await async_client.post(url(instant), content=pieces())).text.endswith("data: [DONE]\n\n")
    assert [entry.ended for entry in instant.journal.entries("own")] == ["completed"] * 2


def test_two_providers_keep_their_own_journals() -> None:
    with InProcess("openai", pace=0) as one, InProcess("gemini", pace=0) as other, httpx.Client() as client:
        client.post(url(one), json=question("scenario hello"), headers=HEADERS)
        asked = {"contents": [{"parts": [{"text": "scenario hello"}]}]}
        path = "/v1beta/models/gemini-2.5-flash:generateContent"
        client.post(other.base_url + path, json=asked, headers={"x-goog-api-key": "k"})
    assert [entry.provider for entry in one.journal.entries()] == ["openai"]
    assert [entry.provider for entry in other.journal.entries()] == ["gemini"]


def test_a_client_that_does_not_read_holds_the_fake_up_and_loses_nothing(instant: InProcess) -> None:
    instant.pace = 1
    instant.script("flood", 'about = "x"\n[[steps]]\ntokens = ["0123456789"]\nrepeat = 5000')
    with httpx.Client(headers=HEADERS) as client:
        with client.stream("POST", url(instant), json=question("scenario flood case held")) as response:
            chunks = response.iter_raw()
            first = next(chunks)
            assert 0 < instant.journal.entries("held")[0].tokens < 2_000
            whole = first + b"".join(chunks)
        assert whole.count(b'"content":"0123456789"') == 5_000
        assert instant.journal.assert_completed("held", within=0).tokens == 5_000
