"""The fakes' own interface and its client."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace

import httpx
import pytest

from chatproof.fake_providers.journal.control_client import Fakes, FakesError
from chatproof.fake_providers.planning.http_request import number_of_key
from tests.fake_providers.kit import Served, read_to_end, request_bytes

SCRIPT = 'about = "Mine."\n[[steps]]\ntokens = ["one", " two"]\n'


async def test_health_tells_the_journals_clock(fakes: Fakes) -> None:
    health = await fakes.health()
    assert health["name"] == "chatproof fake providers"
    assert abs(health["monotonic"] - time.monotonic()) < 1


async def test_scripts_are_listed_and_replaced(fakes: Fakes, http: httpx.AsyncClient) -> None:
    assert "mine" not in await fakes.scripts()
    await fakes.register("mine", SCRIPT)
    assert (await fakes.scripts())["mine"] == {"about": "Mine.", "text": "one two", "tokens": ["one", " two"]}
    ask = {"model": "m", "messages": [{"role": "user", "content": "scenario mine"}]}
    for expected in ("one two", "one three"):
        answer = (await http.post("/v1/chat/completions", json=ask)).json()
        assert answer["choices"][0]["message"]["content"] == expected
        await fakes.register("mine", SCRIPT.replace("two", "three"))


async def test_a_broken_script_is_refused_with_its_line(fakes: Fakes) -> None:
    with pytest.raises(FakesError, match=r"with 400: mine, step 1: unknown key 'wait'"):
        await fakes.register("mine", SCRIPT + "wait = 3")
    with pytest.raises(FakesError, match="lower-case letters"):
        await fakes.register("Mine", SCRIPT)


async def test_wires_are_chosen_by_case_for_asks_side_by_side(fakes: Fakes, http: httpx.AsyncClient) -> None:
    await fakes.wire("w-1", "crlf", "no-done")
    await fakes.wire("w-2", "comments")

    async def ask(case: str) -> str:
        text = f"scenario hello case {case}"
        body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": text}]}
        return (await http.post("/v1/chat/completions", json=body)).text

    first, second, third = await asyncio.gather(*map(ask, ("w-1", "w-2", "w-3")))
    assert ("\r\n\r\n" in first, "[DONE]" in first) == (True, False)
    assert second.startswith(": OPENROUTER PROCESSING\n\n")
    assert third.startswith("data: {")
    assert [(await fakes.entries(case))[0].wires for case in ("w-1", "w-2", "w-3")] == [
        ["crlf", "no-done"],
        ["comments"],
        [],
    ]
    await fakes.wire("w-1")
    assert "[DONE]" in await ask("w-1")


async def test_bad_wires_of_a_case_are_one_clear_line(fakes: Fakes, http: httpx.AsyncClient) -> None:
    with pytest.raises(FakesError, match=r"with 400: Unknown wire 'crfl'. Did you mean 'crlf'\?"):
        await fakes.wire("w-1", "crfl")
    bodies: list[object] = [None, [], {}, {"wire": 1}, {"wire": [1]}, {"wire": "crlf", "more": 1}]
    for body in bodies:
        answer = await http.put("/_fake/cases/w-1", json=body)
        assert (answer.status_code, "the body must be" in answer.json()["error"]) == (400, True), body
    assert "a case id is" in (await http.put("/_fake/cases/A_1", json={"wire": "crlf"})).json()["error"]
    assert "crlf" in (await http.get("/_fake/wires")).json()["chat"]


async def test_registered_scripts_are_bounded(fakes: Fakes, served: Served) -> None:
    library, spare = served.server.planner.library, served.server.planner.library.current()["hello"]
    for number in range(1_000):
        library.register(replace(spare, name=f"s{number}"))
    with pytest.raises(FakesError, match="replace one of them"):
        await fakes.register("mine", SCRIPT)
    await fakes.register("s7", SCRIPT)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/_fake/nothing", 404, "no such control request"),
        ("POST", "/_fake/health", 404, "no such control request"),
        ("GET", "/_fake/journal/wait?case=x", 400, "say what to wait for"),
        ("GET", "/_fake/journal/wait?tokens=0", 400, "tokens must be a whole number from 1"),
        ("GET", "/_fake/journal/wait?ended=1&timeout=1e9", 400, "timeout must be seconds from 0 to 120"),
        ("GET", "/_fake/journal/wait?ended=1&timeout=nan", 400, "timeout must be seconds"),
        ("GET", "/_fake/journal?limit=many", 400, "limit must be a whole number"),
        ("GET", f"/_fake/journal?case={'x' * 201}", 400, "at most 200 characters"),
        ("POST", "/_fake/listener", 400, "the body must be"),
    ],
)
async def test_bad_control_requests(http: httpx.AsyncClient, method: str, path: str, status: int, words: str) -> None:
    response = await http.request(method, path)
    assert response.status_code == status
    assert words in response.json()["error"]


async def test_control_requests_are_not_journaled(fakes: Fakes, http: httpx.AsyncClient) -> None:
    await http.get("/v1/models")
    assert [entry.path for entry in await fakes.entries()] == ["/v1/models"]
    for _ in range(3):
        await http.get("/v1/models")
    assert [entry.id for entry in await fakes.entries(limit=2)] == [3, 4]


async def test_conditions_of_a_wait_all_hold(served: Served, http: httpx.AsyncClient) -> None:
    served.ask("scenario hello case both")
    answer = await http.get("/_fake/journal/wait?case=both&ended=1&entries=2&timeout=0.1")
    assert answer.json()["timed_out"] is True
    served.ask("scenario hello case both")
    answer = await http.get("/_fake/journal/wait?case=both&ended=1&entries=2&tokens=20&timeout=3")
    assert answer.json()["timed_out"] is False
    assert len(answer.json()["entries"]) == 2


def refused(served: Served) -> bool:
    try:
        served.connect()
    except ConnectionRefusedError:
        return True
    return False


async def test_connections_are_refused_for_real_until_accepted_again(served: Served, fakes: Fakes) -> None:
    idle, running = served.connect(), served.ask("scenario paced case on")
    idle.sendall(request_bytes("scenario three-tokens"))
    while not idle.recv(65_536).endswith(b"0\r\n\r\n"):
        pass
    await fakes.wait_tokens("on", 1, 3)
    await fakes.refuse_connections(20)
    assert refused(served)
    assert read_to_end(idle) == (b"", "fin")
    data, how = read_to_end(running)
    assert data.endswith(b"0\r\n\r\n")
    assert how == "fin"  # kept alive, it would be a way around the refusal
    assert await fakes.entries("on")
    await fakes.accept_connections()
    assert not refused(served)
    await fakes.accept_connections()
    assert (await fakes.health())["version"]


async def test_a_fresh_client_can_refuse_accept_and_do_everything_between(served: Served) -> None:
    async with Fakes(served.url) as fakes:
        for _ in range(3):
            await fakes.refuse_connections(20)
            assert refused(served)
            await asyncio.gather(*(fakes.entries() for _ in range(5)))
            await fakes.accept_connections()
            assert not refused(served)


async def test_the_listener_comes_back_by_itself(served: Served, fakes: Fakes) -> None:
    await fakes.refuse_connections(0.3)
    assert refused(served)
    deadline = time.monotonic() + 3
    while refused(served):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    with pytest.raises(FakesError, match="refuse_s must be seconds from 0 to 30, not '31'"):
        await fakes.refuse_connections(31)


async def test_fakes_that_are_not_there_are_one_clear_line() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with Fakes(url) as fakes:
            with pytest.raises(FakesError, match=f"at {url} did not answer GET /_fake/health: ") as caught:
                await fakes.health()
    assert "\n" not in str(caught.value)


async def test_a_bug_is_an_error_and_not_a_hang(
    served: Served, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(served.server.journal, "begin", broken)
    assert (await http.get("/v1/models")).status_code == 500
    monkeypatch.setattr(served.server.journal, "entries", broken)
    assert (await http.get("/_fake/journal")).status_code == 500
    assert "a bug" in caplog.text


def test_keys_do_not_share_a_number() -> None:
    """With 16 bits, one run of the suite in a thousand took the server's key for a client's."""
    keys = 20_000
    assert len({number_of_key(f"sk-{number}") for number in range(keys)}) == keys


async def test_a_key_has_one_number_wherever_it_stands(fakes: Fakes, http: httpx.AsyncClient) -> None:
    """In a header, with a scheme or without, and in the query; no key is 0."""
    numbers = await fakes.key_numbers("sk-secret", "another", "")
    assert numbers[0] != numbers[1]
    assert numbers[2] == 0
    path = "/v1beta/models/gemini-2.0-flash:generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": "scenario hello case numbers"}]}]}
    del http.headers["authorization"]
    for headers, query in (
        ({"authorization": "bearer sk-secret"}, ""),
        ({"x-goog-api-key": "sk-secret"}, ""),
        ({}, "?alt=json&key=sk-secret"),
    ):
        await http.post(path + query, json=body, headers=headers)
    assert [entry.key for entry in await fakes.entries("numbers")] == [numbers[0]] * 3
