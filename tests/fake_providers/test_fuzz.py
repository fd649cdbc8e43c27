"""Broken HTTP and odd JSON, at random: no hang, no crash, no internal error.

Three seconds each by default; CHATPROOF_FUZZ_S=60 makes it a minute. CHATPROOF_FUZZ_SEED picks other cases.
"""

from __future__ import annotations

import json
import logging
import os
import random
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fake_providers.kit import Served, read_to_end

SECONDS = float(os.environ.get("CHATPROOF_FUZZ_S", "3"))
SEED = int(os.environ.get("CHATPROOF_FUZZ_SEED", "1"))

CHAT = {"model": "m", "messages": [{"role": "user", "content": "scenario hello case f"}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "scenario hello"}]}], "generationConfig": {"topP": 0.5}}
TALK: list[dict[str, Any]] = [
    {"role": "user", "content": "scenario hello"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x"}]}],
    },
]
MESSAGE: dict[str, Any] = {"model": "m", "max_tokens": 2_000, "messages": TALK[:1], "stop_sequences": ["x"]}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
BODIES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}}),
    ("POST", "/v1/chat/completions", {**CHAT, "tools": [TOOL], "n": 2, "max_tokens": 2, "stop": ["x"]}),
    ("POST", "/v1/responses", {"model": "m", "input": "scenario hello", "stream": True}),
    ("POST", "/v1/responses", {"model": "m", "input": [{"role": "user", "content": "scenario hello"}]}),
    ("POST", "/v1/embeddings", {"model": "m", "input": ["a", "b"], "encoding_format": "base64"}),
    ("GET", "/v1/models", None),
    ("POST", "/v1beta/models/gemini-2.5-flash:generateContent", GEMINI),
    ("POST", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse&key=k", GEMINI),
    ("POST", "/v1beta/models/gemini-2.5-flash:countTokens", GEMINI),
    ("POST", "/v1/messages", {**MESSAGE, "stream": True}),
    ("POST", "/v1/messages", {**MESSAGE, "tools": [{"name": "f", "input_schema": {"type": "object"}}]}),
    ("POST", "/v1/messages", {**MESSAGE, "thinking": {"type": "enabled", "budget_tokens": 1_024}}),
    (
        "POST",
        "/v1/messages",
        {**MESSAGE, "messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "x"}]}]},
    ),
    (
        "POST",
        "/v1/messages",
        {**MESSAGE, "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}}},
    ),
    ("POST", "/v1/messages/count_tokens", {"model": "m", "messages": TALK, "system": "s"}),
    ("GET", "/v1/models?limit=2&after_id=claude-opus-5", None),
    ("POST", "/api/chat", {**CHAT, "stream": False, "options": {"num_predict": 3}, "tools": [TOOL]}),
    ("POST", "/api/generate", {"model": "m", "prompt": "scenario hello", "options": {"temperature": 1}}),
    ("POST", "/api/embed", {"model": "m", "input": "x"}),
    ("POST", "/api/show", {"model": "m"}),
    ("GET", "/_fake/journal?limit=1", None),
    ("GET", "/_fake/journal/wait?ended=1&timeout=0", None),
]
ODD: list[Any] = [
    None, True, 0, -1, 1e308, 2**70, 0.1, "", "x", "é\u2028", [], [None], [[]], {}, {"": None}, {"type": "text"},
    "scenario nope", ["scenario hello"], {"text": 3}, {"role": "user"}, {"url": "x"}, "data:;base64,x", "\x00",
]  # fmt: skip
NASTY = [
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff\xfe", b" ", b":", b"HTTP/1.1", b"HTTP/9.9", b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"Expect: 100-continue\r\n", b"ffffffffffffffffff\r\n", b"0\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"a" * 9_000,
    b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"%ff%00", b"?" * 100, b"{" * 2_000, b"[" * 2_000,
]  # fmt: skip


def request(method: str, target: str, body: bytes, *, chunked: bool = False) -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nhost: fake\r\nauthorization: Bearer k\r\nx-goog-api-key: k\r\n"
    head += "anthropic-version: 2023-06-01\r\n"
    if chunked:
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        return f"{head}transfer-encoding: chunked\r\n\r\n".encode() + framed
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def broken_bytes(rng: random.Random) -> bytes:
    """A request, or two, with some bytes changed, dropped, doubled or put in."""
    data = bytearray()
    for _ in range(rng.choice((1, 1, 2))):
        method, target, body = rng.choice(BODIES)
        encoded = b"" if body is None else json.dumps(body).encode()
        data += request(method, target, encoded, chunked=rng.random() < 0.3)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.randint(1, 40)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 200)]
            case 3:
                data[at:at] = rng.choice(NASTY)
            case _:
                del data[at:]
                data += rng.choice((b"", b"x"))  # never empty: the loop goes on
    return bytes(data)


def odd_json(rng: random.Random) -> bytes:
    """A well-formed request whose JSON has odd values in odd places."""
    method, target, body = rng.choice([entry for entry in BODIES if entry[2] is not None])
    value = json.loads(json.dumps(body))
    for _ in range(rng.randint(1, 3)):
        value = oddened(rng, value)
    return request(method, target, json.dumps(value).encode())


def oddened(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {**value, rng.choice(("extra", "stream", "model", "tools", "format")): rng.choice(ODD)}
        return {**value, key: oddened(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return [*value[:at], oddened(rng, value[at]), *value[at + 1 :]]
    return rng.choice(ODD)


@pytest.mark.parametrize("make", [broken_bytes, odd_json])
def test_nothing_that_comes_in_breaks_the_server(
    make: Callable[[random.Random], bytes], served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    until, number = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        number += 1
        data = make(random.Random(f"{SEED}.{number}"))
        where = f"CHATPROOF_FUZZ_SEED={SEED}, case {number}: {data[:2_000]!r}"
        answer, how = exchange(served, data)
        assert how != "open", f"a hang: {where}"
        assert b"internal error" not in answer, f"an internal error: {where}\n{caplog.text}"
        assert not caplog.records, f"{where}\n{caplog.text}"
        if number % 50 == 0:
            assert httpx.get(f"{served.url}/_fake/health", trust_env=False).status_code == 200, where
    assert number > 50
    assert httpx.get(f"{served.url}/_fake/health", trust_env=False).status_code == 200
    assert not served.server.connections or closed_soon(served)


def exchange(served: Served, data: bytes) -> tuple[bytes, str]:
    """Send it, say that nothing follows, and read what comes."""
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=5) as sock:
        try:
            sock.sendall(data)
            time.sleep(0.0005)  # often the server's answer begins before our FIN, often not: both are wanted
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all was sent
        return read_to_end(sock)


def closed_soon(served: Served) -> bool:
    """Connections that were refused linger for two seconds."""
    until = time.monotonic() + 5
    while served.server.connections and time.monotonic() < until:
        time.sleep(0.01)
    return not served.server.connections
