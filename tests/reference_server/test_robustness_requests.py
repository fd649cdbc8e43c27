"""Requests that are huge, hostile or no HTTP at all: a clear 4xx or the end, and nobody else is hurt."""

import json
import time
from collections.abc import Iterator

import pytest

from chatproof.fake_providers.server.launcher import FakesProcess
from tests.reference_server.figures import Answers, memory, record
from tests.reference_server.kit import connect, running
from tests.timing import timed

GET = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
SOCKET = b" /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = json.dumps({"message": "hi"}).encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def posted(body: bytes) -> bytes:
    return POST + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


# A status, or 0: closed without an answer.
HOSTILE = {
    # two servers in a row must not take a part of one request for another
    "length-and-chunks": (POST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(BODY), {400}),
    "two-lengths": (POST + LENGTH + b"Content-Length: 0\r\n\r\n" + BODY, {400}),
    "two-codings": (POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(BODY), {400}),
    "another-coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks(BODY), {400}),
    "misspelt-coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n" + chunks(BODY), {400}),
    "space-before-colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n" + chunks(BODY), {400}),
    "line-without-colon": (POST + b"Transfer-Encoding\r\n" + LENGTH + b"\r\n" + BODY, {400}),
    "folded": (POST + b"X: a\r\n Content-Length: 5\r\n\r\n", {400}),
    "bare-cr": (POST + b"X: a\rContent-Length: 4\r\n\r\nbody", {400}),
    "signed-length": (POST + b"Content-Length: +16\r\n\r\n" + BODY, {400}),
    "negative-length": (POST + b"Content-Length: -1\r\n\r\n" + BODY, {400}),
    "length-with-underscore": (POST + b"Content-Length: 1_6\r\n\r\n" + BODY, {400}),
    # lengths and chunks
    "length-beyond-all": (POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY, {400}),
    "length-of-an-exabyte": (POST + b"Content-Length: 999999999999999999\r\n\r\n" + BODY, {413}),
    "body-10-mb": (posted(b"x" * 10_000_000), {413}),
    "body-10-mb-chunked": (CHUNKED + chunks(*[b"x" * 100_000] * 100), {413}),
    "chunks-without-end": (CHUNKED + chunks(*[b"x"] * 5000)[:-5], {408}),
    "chunk-not-hexadecimal": (CHUNKED + b"zz\r\nabc\r\n", {400}),
    "chunk-negative": (CHUNKED + b"-5\r\nabc\r\n", {400}),
    "chunk-of-16-exabytes": (CHUNKED + b"FFFFFFFFFFFFFFFF\r\nabc\r\n", {408}),
    "chunk-size-endless": (CHUNKED + b"F" * 100 + b"\r\nabc\r\n", {400}),
    "chunk-size-missing": (CHUNKED + b"\r\nabc\r\n", {400}),
    "chunk-too-long": (CHUNKED + b"2\r\nabcd\r\n0\r\n\r\n", {400}),
    "chunk-extension-endless": (CHUNKED + b"2;" + b"x" * 20_000 + b"\r\nab\r\n", {400}),
    # JSON
    "json-deep-list": (posted(b"[" * 900_000), {400}),
    "json-deep-object": (posted(b'{"a":' * 150_000), {400}),
    "json-long-number": (posted(b'{"message": ' + b"9" * 900_000 + b"}"), {400}),
    "json-many-keys": (posted(b"{" + b",".join(b'"%d":0' % n for n in range(80_000)) + b"}"), {400}),
    # lines and headers
    "id-1-mb": (b"GET /api/chat/sessions/" + b"x" * 1_000_000 + b" HTTP/1.1\r\n\r\n", {0, 414}),
    "header-100-kb": (GET + b"X: " + b"y" * 100_000 + b"\r\n\r\n", {0, 400}),
    "headers-10000": (GET + b"X: y\r\n" * 10_000 + b"\r\n", {0, 400}),
    "nul-in-header": (GET + b"X: a\0b\r\n\r\n", {400}),
    "nul-in-path": (b"GET /\0 HTTP/1.1\r\nConnection: close\r\n\r\n", {400, 404}),
    "bytes-in-path": (b"GET /api/chat/sessions/\xff%ff%00 HTTP/1.1\r\nConnection: close\r\n\r\n", {400, 404}),
    "bytes-in-host": (b"GET /nothing HTTP/1.1\r\nHost: a b@\xff\r\nConnection: close\r\n\r\n", {403}),
    "another-host": (b"GET http://elsewhere.example/health HTTP/1.1\r\nConnection: close\r\n\r\n", {400, 404}),
    # not HTTP/1
    "http-0.9": (b"GET /health\r\n", {400}),
    "http-2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "http-half-a-version": (b"GET /health HTTP/1\r\n\r\n", {400}),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 300 + b"\n", {400}),
    "websocket-without-key": (b"GET" + SOCKET + UPGRADE + b"\r\n", {400}),
    "websocket-of-old": (
        b"GET" + SOCKET + UPGRADE + b"Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: x\r\n\r\n",
        {400},
    ),
    "websocket-for-a-post": (POST + UPGRADE + b"\r\n" + BODY, {400}),
    "polling-unknown-socket": (
        b"POST /socket.io/?EIO=4&transport=polling&sid=0-x HTTP/1.1\r\nConnection: close\r\n" + LENGTH + b"\r\n" + BODY,
        {400},
    ),
}


@pytest.fixture(scope="module")
def server(fakes: FakesProcess) -> Iterator[tuple[int, str]]:
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": fakes.openai_base_url, "REQUEST_TIMEOUT": "1"}
    with running(**environ) as (process, url):
        yield process.pid, url


def answer(url: str, request: bytes) -> bytes:
    """Everything that comes back until the connection ends, which it must."""
    received = b""
    with connect(url) as client:
        try:
            client.sendall(request)
            while piece := client.recv(65536):
                received += piece
        except ConnectionError:  # refused while it was still being sent
            pass
    return received


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_is_refused(server: tuple[int, str], name: str) -> None:
    request, expected = HOSTILE[name]
    started = time.monotonic()
    received = answer(server[1], request)
    taken = time.monotonic() - started
    status = int(received.split(b" ", 2)[1]) if received else 0
    assert status in expected, received[:300]
    assert received.count(b"HTTP/1.1 ") <= 1, "a part of the request was taken for another one"
    assert b"Traceback" not in received
    assert b".py" not in received
    assert taken < 6


@timed
def test_they_leave_nothing_behind(server: tuple[int, str]) -> None:
    """Three times all of them: the second and third time no memory is added, and others are answered meanwhile."""
    pid, url = server
    quick = [request for name, (request, _) in HOSTILE.items() if name not in ("length-of-an-exabyte",)]
    sizes = []
    for _ in range(3):
        for request in quick:
            answer(url, request)
        sizes.append(memory(pid))
    answers = Answers(url)
    record("hostile requests", kinds=len(HOSTILE), growth_mb=sizes[2] - sizes[0], answer_worst_s=answers.worst)
    assert sizes[2] - sizes[0] < 10
    assert answers.median < 0.5
