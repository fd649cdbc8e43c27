"""The server on real sockets: faults, framing, pacing, bounds."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import httpx
import pytest

from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.scripting.script import Script
from tests.fake_providers.kit import Served, read_to_end, request_bytes
from tests.timing import timed


def question(text: str, stream: bool = True) -> dict[str, Any]:
    return {"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]}


def said(stream: str) -> str:
    """The text in a whole stream, read as the API document's clients do: line feeds only."""
    datas = [line.removeprefix("data: ") for line in stream.split("\n") if line.startswith("data: ")]
    chunks = [json.loads(data) for data in datas if data != "[DONE]"]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])


@pytest.mark.parametrize("name", ["hello", "nasty", "unicode", "split-bytes", "long", "hundred-tokens"])
@pytest.mark.parametrize("stream", [True, False])
async def test_text_survives_the_round_trip(
    http: httpx.AsyncClient, scripts: dict[str, Script], name: str, stream: bool
) -> None:
    response = await http.post("/v1/chat/completions", json=question(f"scenario {name}", stream))
    assert response.status_code == 200
    text = said(response.text) if stream else response.json()["choices"][0]["message"]["content"]
    assert text == scripts[name].text


async def test_split_bytes_arrive_cut_inside_characters(served: Served) -> None:
    sock = served.ask("scenario split-bytes")
    sock.settimeout(3)
    broken = 0
    received = b""
    while not received.endswith(b"0\r\n\r\n"):
        data = sock.recv(65_536)
        received += data
        try:
            data.decode()
        except UnicodeDecodeError:
            broken += 1
    assert broken >= 2


@pytest.mark.parametrize(
    ("name", "end", "whole"),
    [("drop-mid", "fin", True), ("cut-mid", "fin", False), ("reset-mid", "rst", False)],
)
async def test_the_three_ends_differ_on_the_socket(
    served: Served, scripts: dict[str, Script], name: str, end: str, whole: bool
) -> None:
    data, how = read_to_end(served.ask(f"scenario {name}"))
    assert (how, data.endswith(b"\r\n0\r\n\r\n")) == (end, whole)
    for token in scripts[name].tokens:
        assert token.encode() in data
    assert b"[DONE]" not in data
    assert b'"finish_reason":"stop"' not in data
    if name == "cut-mid":
        size, _, chunk = data.rpartition(b"\r\n")[0].rpartition(b"}\n\n\r\n")[2], b"", data.rpartition(b"\r\n")[2]
        assert len(chunk) < int(size, 16)


@pytest.mark.parametrize(("name", "end"), [("drop-start", "fin"), ("start-reset", "rst"), ("start-cut", "fin")])
@pytest.mark.parametrize("stream", [True, False])
async def test_ends_before_the_first_token_come_without_an_answer(
    served: Served, fakes: Fakes, name: str, end: str, stream: bool
) -> None:
    for fault in ("reset", "cut"):
        await fakes.register(f"start-{fault}", f'about = "x"\n[[steps]]\nfault = "{fault}"')
    assert read_to_end(served.ask(f"scenario {name}", stream=stream)) == (b"", end)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("drop-start", httpx.RemoteProtocolError),
        ("cut-mid", httpx.RemoteProtocolError),
        ("reset-mid", httpx.ReadError),
        ("garbage", httpx.RemoteProtocolError),
        ("silent", httpx.ReadTimeout),
        ("stall", httpx.ReadTimeout),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_broken_connections_as_a_client_sees_them(
    http: httpx.AsyncClient, name: str, problem: type[Exception], stream: bool
) -> None:
    with pytest.raises(problem):
        await http.post("/v1/chat/completions", json=question(f"scenario {name}", stream), timeout=0.4)


async def test_an_error_object_ends_the_stream(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/chat/completions", json=question("scenario error-mid"))
    last = response.text.split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["type"] == "server_error"
    assert "[DONE]" not in response.text
    whole = await http.post("/v1/chat/completions", json=question("scenario error-mid", stream=False))
    assert (whole.status_code, whole.json()["error"]["type"]) == (500, "server_error")


async def test_a_malformed_chunk_is_followed_by_an_ordinary_end(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/chat/completions", json=question("scenario malformed-mid"))
    events = response.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    with pytest.raises(json.JSONDecodeError):
        json.loads(events[-4].removeprefix("data: "))
    assert len(events[:-4]) == 4
    whole = await http.post("/v1/chat/completions", json=question("scenario malformed-mid", stream=False))
    with pytest.raises(json.JSONDecodeError):
        whole.json()


@pytest.mark.parametrize(
    ("name", "status"), [("rate-limited", 429), ("server-error", 500), ("overloaded", 503), ("bad-key", 401)]
)
async def test_status_faults(http: httpx.AsyncClient, name: str, status: int) -> None:
    response = await http.post("/v1/chat/completions", json=question(f"scenario {name}"))
    assert response.status_code == status
    assert response.json()["error"]["message"]


async def test_silent_sends_headers_and_nothing_else(served: Served) -> None:
    sock = served.ask("scenario silent")
    sock.settimeout(0.4)
    data, how = read_to_end(sock)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.endswith(b"\r\n\r\n")
    assert data.count(b"\r\n\r\n") == 1
    assert how == "open"


@timed
async def test_tokens_come_at_their_deadlines(http: httpx.AsyncClient, fakes: Fakes) -> None:
    for name, expected in (("paced", [0.05 * n for n in range(21)]), ("pairs", _pairs())):
        await http.post("/v1/chat/completions", json=question(f"scenario {name} case pace-{name}"))
        [entry] = await fakes.wait_ended(f"pace-{name}", 5)
        start = entry.writes[0].at
        late = [write.at - start - due for write, due in zip(entry.writes, expected, strict=True)]
        assert min(late) > -0.005
        assert max(late) < 0.05
        assert sorted(late)[len(late) // 2] < 0.01


def _pairs() -> list[float]:
    times = [pair * 0.33 + inside for pair in range(5) for inside in (0.0, 0.03)]
    return [*times, times[-1] + 0.03]


async def test_what_is_due_together_is_one_write(http: httpx.AsyncClient, fakes: Fakes) -> None:
    await http.post("/v1/chat/completions", json=question("scenario three-tokens case once"))
    [entry] = await fakes.entries("once")
    assert [(write.tokens, write.text) for write in entry.writes] == [(3, "Three small words.")]


async def test_connections_are_kept_and_pipelined_requests_answered_in_order(served: Served) -> None:
    sock = served.connect()
    names = ["three-tokens", "paced", "hello"]
    sock.sendall(b"".join(request_bytes(f"scenario {name}", stream=False) for name in names))
    sock.settimeout(3)
    data = b""
    while data.count(b"fp_chatproof") < 3:
        data += sock.recv(65_536)
    assert data.index(b"Three small") < data.index(b"A train") < data.index(b"Hello!")
    sock.sendall(request_bytes("scenario three-tokens"))
    again = b""
    while not again.endswith(b"0\r\n\r\n"):
        again += sock.recv(65_536)
    assert b"[DONE]" in again


async def test_too_many_pipelined_requests_end_the_connection(served: Served) -> None:
    sock = served.connect()
    sock.sendall(request_bytes("scenario minute") + request_bytes("scenario hello") * 20)
    sock.settimeout(2)
    _, how = read_to_end(sock)
    assert how == "fin"


async def test_http_1_0_has_no_chunks_and_ends_with_the_connection(served: Served) -> None:
    data, how = read_to_end(served.ask("scenario three-tokens", version="1.0"))
    head, _, body = data.partition(b"\r\n\r\n")
    assert how == "fin"
    assert b"transfer-encoding" not in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_connection_close_is_honoured(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/chat/completions", json=question("scenario hello"), headers={"connection": "close"})
    assert response.headers["connection"] == "close"
    assert response.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_past_the_bound_is_refused(served: Served, chunked: bool) -> None:
    sock = served.connect()
    framing = b"transfer-encoding: chunked" if chunked else b"content-length: 40000000"
    sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: fake\r\n" + framing + b"\r\n\r\n")
    block = b"x" * 1_000_000
    piece = b"%x\r\n%b\r\n" % (len(block), block) if chunked else block
    for _ in range(40):
        sock.sendall(piece)
    data, how = read_to_end(sock)
    assert data.startswith(b"HTTP/1.1 413 ")
    assert how == "fin"


async def test_headers_past_the_bound_are_refused(served: Served) -> None:
    sock = served.connect()
    sock.sendall(b"GET /v1/models HTTP/1.1\r\nhost: fake\r\nx: " + b"y" * 70_000)
    assert read_to_end(sock)[0].startswith(b"HTTP/1.1 431 ")


async def test_what_is_not_http_is_refused(served: Served) -> None:
    sock = served.connect()
    sock.sendall(b"\x16\x03\x01 no http\r\n\r\n")
    assert read_to_end(sock)[0].startswith(b"HTTP/1.1 400 ")


async def test_expect_100_continue_is_answered(served: Served) -> None:
    sock = served.connect()
    head, _, body = request_bytes("scenario three-tokens").partition(b"\r\n\r\n")
    sock.sendall(head + b"\r\nexpect: 100-continue\r\n\r\n")
    assert sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(body)
    assert sock.recv(1024).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_an_offered_upgrade_is_declined_by_answering(served: Served) -> None:
    sock = served.connect()
    head, _, body = request_bytes("scenario three-tokens").partition(b"\r\n\r\n")
    upgrade = b"\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    sock.sendall(head + upgrade + body)
    sock.sendall(head + upgrade + body[:10])
    sock.sendall(body[10:] + request_bytes("scenario hello", version="1.0"))
    data, _ = read_to_end(sock)
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert b'"content":"Hello"' in data


async def test_connect_is_refused(served: Served) -> None:
    sock = served.connect()
    sock.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n")
    assert read_to_end(sock)[0].startswith(b"HTTP/1.1 400 ")


async def test_unknown_paths_say_what_is_wrong_and_are_journaled(http: httpx.AsyncClient, fakes: Fakes) -> None:
    response = await http.post("/chat/completions", json=question("hi"))
    assert response.status_code == 404
    assert "ends in /v1" in response.json()["error"]["message"]
    [entry] = await fakes.entries()
    assert (entry.provider, entry.path, entry.status, entry.ended) == ("none", "/chat/completions", 404, "completed")
    assert (await http.head("/v1/models")).status_code == 405


async def test_models_are_listed(http: httpx.AsyncClient) -> None:
    assert "gpt-4o" in [model["id"] for model in (await http.get("/v1/models")).json()["data"]]


async def test_a_slow_reader_neither_loses_text_nor_grows_memory(served: Served, fakes: Fakes) -> None:
    await fakes.register("flood", 'about = "x"\n[[steps]]\ntokens = ["0123456789"]\nrepeat = 40000')
    sock = socket.socket()
    served.sockets.append(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    sock.connect(("127.0.0.1", served.server.port))
    sock.sendall(request_bytes("scenario flood case flood"))
    time.sleep(0.5)
    [held] = await fakes.entries("flood")
    assert held.ended is None
    assert 0 < held.tokens < 40_000
    sock.settimeout(10)
    data = bytearray()
    while not data.endswith(b"0\r\n\r\n"):
        data += sock.recv(1_000_000)
    assert data.count(b'{"content":"0123456789"}') == 40_000
    [done] = await fakes.wait_ended("flood", 5)
    assert (done.ended, done.tokens) == ("completed", 40_000)
