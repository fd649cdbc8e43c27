"""In process and served: the same bytes for each script in each dialect, and the same errors for each fault."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

from chatproof.fake_providers.planning.router import DIALECTS
from chatproof.fake_providers.scripting.script import BUILT_IN
from chatproof.fake_providers.scripting.wire_table import FORMS, Form, wires_of
from chatproof.fake_providers.testing.inprocess import InProcess
from chatproof.fake_providers.testing.playback import Playback, Reset
from chatproof.fake_providers.testing.threaded import ThreadedServer

SCRIPTS = sorted(path.stem for path in BUILT_IN.glob("*.toml"))
QUIET_S = 8.0
"""Seconds without a byte after which a served reply counts as stalled."""
READ_TIMEOUT_S = 0.5


@dataclass(frozen=True)
class Kind:
    """One request of a dialect; "{text}" in it stands for the user's message."""

    path: str
    body: dict[str, Any] | None
    key: tuple[str, str] = ("authorization", "Bearer sk-test")
    headers: tuple[tuple[str, str], ...] = ()

    def body_bytes(self, text: str) -> bytes:
        return b"" if self.body is None else json.dumps(self.body).replace("{text}", text).encode()


_CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "{text}"}]}
_RESPONSE = {"model": "gpt-4o", "input": "{text}"}
_GEMINI = {"contents": [{"role": "user", "parts": [{"text": "{text}"}]}]}
_OLLAMA: dict[str, Any] = {"model": "llama3.2", "messages": [{"role": "user", "content": "{text}"}]}
_INTERACTION = {"model": "gemini-3.8-flash", "input": "{text}"}
_GOOGLE = ("x-goog-api-key", "key")
_AZURE = ("api-key", "key")
_VERSION = "?api-version=2024-10-21"
_MESSAGE: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 2_048,
    "messages": [{"role": "user", "content": "{text}"}],
}
_ANTHROPIC = ("x-api-key", "key"), (("anthropic-version", "2023-06-01"),)

KINDS: dict[str, list[Kind]] = {
    "openai": [
        Kind("/v1/chat/completions", {**_CHAT, "stream": True}),
        Kind("/v1/chat/completions", {**_CHAT, "stream": True, "stream_options": {"include_usage": True}}),
        Kind("/v1/chat/completions", {**_CHAT, "max_tokens": 5}),
        Kind("/v1/chat/completions", {**_CHAT, "temperature": 9}),
        Kind("/v1/responses", {**_RESPONSE, "stream": True}),
        Kind("/v1/responses", _RESPONSE),
        Kind("/v1/embeddings", {"model": "text-embedding-3-small", "input": "{text}"}),
        Kind("/v1/models", None),
        Kind("/v1/completions", {"model": "davinci-002", "prompt": "{text}", "stream": True}),
        Kind("/v1/responses", {**_RESPONSE, "background": True}),
        Kind(f"/openai/deployments/prod/chat/completions{_VERSION}", {**_CHAT, "stream": True}, _AZURE),
        Kind(f"/openai/deployments/prod/chat/completions{_VERSION}", _CHAT, _AZURE),
        Kind(f"/openai/responses{_VERSION}", {**_RESPONSE, "stream": True}, _AZURE),
        Kind("/openai/v1/models", None, _AZURE),
    ],
    "gemini": [
        Kind("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", _GEMINI, _GOOGLE),
        Kind("/v1beta/models/gemini-2.5-flash:streamGenerateContent", _GEMINI, _GOOGLE),
        Kind("/v1/models/gemini-2.5-flash:generateContent", _GEMINI, _GOOGLE),
        Kind("/v1beta/models/gemini-2.5-flash:countTokens", _GEMINI, _GOOGLE),
        Kind("/v1beta/models?key=k", None, _GOOGLE),
        Kind("/v1beta/openai/chat/completions", {**_CHAT, "model": "gemini-2.5-flash", "stream": True}),
        Kind("/v1beta/openai/chat/completions", {**_CHAT, "model": "gemini-3.8-flash"}),
        Kind("/v1beta/openai/models", None),
        Kind("/v1beta/interactions", {**_INTERACTION, "stream": True}, _GOOGLE),
        Kind("/v1beta/interactions", _INTERACTION, _GOOGLE),
    ],
    "anthropic": [
        Kind("/v1/messages", {**_MESSAGE, "stream": True}, *_ANTHROPIC),
        Kind(
            "/v1/messages",
            {**_MESSAGE, "stream": True, "thinking": {"type": "enabled", "budget_tokens": 1_024}},
            *_ANTHROPIC,
        ),
        Kind("/v1/messages", _MESSAGE, *_ANTHROPIC),
        Kind("/anthropic/v1/messages", {**_MESSAGE, "max_tokens": 5}, *_ANTHROPIC),
        Kind("/v1/messages", {**_MESSAGE, "temperature": 9}, *_ANTHROPIC),
        Kind("/v1/messages/count_tokens", {"model": "claude-haiku-4-5", "messages": _MESSAGE["messages"]}, *_ANTHROPIC),
        Kind("/v1/models?limit=3", None, *_ANTHROPIC),
    ],
    "local": [
        Kind("/api/chat", _OLLAMA),
        Kind("/api/chat", {**_OLLAMA, "stream": False}),
        Kind("/api/generate", {"model": "llama3.2", "prompt": "{text}"}),
        Kind("/api/embed", {"model": "nomic-embed-text", "input": "{text}"}),
        Kind("/api/tags", None),
        Kind("/vllm/v1/chat/completions", {**_CHAT, "model": "llama3.2", "stream": True}),
        Kind("/llamacpp/v1/chat/completions", {**_CHAT, "model": "llama3.2"}),
    ],
}


def quick(name: str) -> str:
    """The script with delays that no test has to wait for: they decide when, not what."""
    toml = (BUILT_IN / f"{name}.toml").read_text(encoding="utf-8")
    return re.sub(r"((?:token|wait)_ms = )\d+", r"\g<1>0.3", toml)


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[ThreadedServer, InProcess]]:
    with ThreadedServer() as server, InProcess(pace=0) as fakes:
        for name in SCRIPTS:
            if "sequence" not in quick(name):
                for where in (server, fakes):
                    where.script(name, quick(name))
        yield server, fakes


def kinds() -> list[tuple[str, Kind]]:
    return [(name, kind) for name, kinds in KINDS.items() for kind in kinds]


async def served_bytes(server: ThreadedServer, kind: Kind, text: str) -> tuple[bytes, str]:
    """All that comes over a socket, and the end: "fin", "rst" or "open"."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    body = kind.body_bytes(text)
    head = [
        f"{'POST' if body else 'GET'} {kind.path} HTTP/1.1",
        "host: fake",
        *map(": ".join, [kind.key, *kind.headers]),
    ]
    head += ["content-type: application/json", "accept-encoding: gzip", "connection: close"]
    head += [f"content-length: {len(body)}", "", ""]
    writer.write("\r\n".join(head).encode() + body)
    received = b""
    try:
        while data := await asyncio.wait_for(reader.read(65_536), QUIET_S):
            received += data
        end = "fin"
    except ConnectionResetError:
        end = "rst"
    except TimeoutError:
        end = "open"
    writer.close()
    return received, end


def in_process_bytes(fakes: InProcess, kind: Kind, text: str) -> tuple[bytes, str]:
    body = kind.body_bytes(text)
    headers = dict(
        [kind.key, *kind.headers, ("content-type", "application/json"), ("connection", "close"), ("host", "fake")]
    )
    headers["accept-encoding"] = "gzip"
    request = httpx.Request("POST" if body else "GET", fakes.url + kind.path, headers=headers, content=body)
    return drained(fakes.play(request))


def drained(playback: Playback) -> tuple[bytes, str]:
    received = b""
    while (wait := playback.wait()) < float("inf"):
        playback.jump(wait)
        try:
            data = playback.take(65_536)
        except Reset:
            return received, "rst"
        if not data:
            return received, "fin"
        received += data
    return received, "open"


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_bytes_on_the_wire_are_the_same(both: tuple[ThreadedServer, InProcess], name: str) -> None:
    server, fakes = both
    expected = await asyncio.gather(*(served_bytes(server, kind, f"scenario {name}") for _, kind in kinds()))
    for (dialect, kind), (data, end) in zip(kinds(), expected, strict=True):
        given, given_end = in_process_bytes(fakes, kind, f"scenario {name}")
        assert (given, given_end) == (data, end), f"{dialect} {kind.path}"


STREAMED: dict[Form, Kind] = {
    "chat": KINDS["openai"][0],
    "responses": KINDS["openai"][4],
    "gemini": KINDS["gemini"][0],
    "gemini-array": KINDS["gemini"][1],
    "messages": KINDS["anthropic"][0],
    "ollama": KINDS["local"][0],
}


@pytest.mark.parametrize("form", FORMS)
async def test_the_bytes_of_each_wire_are_the_same(both: tuple[ThreadedServer, InProcess], form: Form) -> None:
    server, fakes = both
    texts = [f"scenario {name} wire {wire}" for name in ("three-tokens", "tool-call") for wire in wires_of(form)]
    expected = await asyncio.gather(*(served_bytes(server, STREAMED[form], text) for text in texts))
    assert len({data for data, _ in expected}) > len(texts) * 0.8, "most wires differ"
    assert {data[:15] for data, _ in expected} == {b"HTTP/1.1 200 OK"}
    for text, whole in zip(texts, expected, strict=True):
        assert in_process_bytes(fakes, STREAMED[form], text) == whole, text


@pytest.mark.parametrize("more", ["", "wire crlf"])
async def test_timings_and_faults_around_the_stream_are_the_same(
    both: tuple[ThreadedServer, InProcess], more: str
) -> None:
    """Late headers, an open end, an error with 200, an error before the end mark."""
    server, fakes = both
    end, steps = "fin", '[[steps]]\ntokens = ["Hi"]\n[[steps]]\n'
    for name, toml in {
        "late": "[timing]\nheaders_ms = 40\nbody_end_ms = 40\n[[steps]]\ntokens = ['Hi']",
        "not-ended": f'{steps}fault = "open"',
        "error-200": '[[steps]]\nfault = "status"\nstatus = 200',
        "error-end": f'{steps}fault = "error"\nend_mark = true',
    }.items():
        for where in (server, fakes):
            where.script(name, f'about = "x"\n{toml}')
        given = await served_bytes(server, STREAMED["chat"], f"scenario {name} {more}")
        assert in_process_bytes(fakes, STREAMED["chat"], f"scenario {name} {more}") == given
        assert given[1] == ("open" if name == "not-ended" else end), name
        assert (b"[DONE]" in given[0]) == (name != "error-200"), name
        assert (b'"error":' in given[0]) == name.startswith("error"), name


def test_each_dialect_is_compared() -> None:
    assert {dialect.NAME for dialect in DIALECTS} == set(KINDS)


def test_each_request_is_one_of_its_dialect(both: tuple[ThreadedServer, InProcess]) -> None:
    """Otherwise the comparison above would compare one 404 with another."""
    fakes = both[1]
    for dialect, kind in kinds():
        in_process_bytes(fakes, kind, "scenario three-tokens case kinds")
        entry = fakes.journal.entries()[-1]
        assert entry.provider == dialect, kind.path
        assert entry.status == (400 if kind.body and "temperature" in kind.body else 200), kind.path


async def heard(library: Any, url: str, name: str, *, sync: bool) -> tuple[str, str, bytes]:
    """What a client gets: "end" or the error's class, the status, and the body as far as it came."""
    body = KINDS["openai"][0].body_bytes(f"scenario {name}")
    call = {"content": body, "headers": {"authorization": "Bearer k", "content-type": "application/json"}}
    options = {"timeout": READ_TIMEOUT_S, "trust_env": False}
    status, received = "", b""
    try:
        if sync:
            with library.Client(**options) as client, client.stream("POST", f"{url}/chat/completions", **call) as reply:
                status = seen(reply)
                for data in reply.iter_raw():
                    received += data
            return "end", status, received
        async with (
            library.AsyncClient(**options) as client,
            client.stream("POST", f"{url}/chat/completions", **call) as reply,
        ):
            status = seen(reply)
            async for data in reply.aiter_raw():
                received += data
    except library.HTTPError as problem:
        return type(problem).__name__, status, received
    return "end", status, received


def seen(response: Any) -> str:
    return f"{response.http_version} {response.status_code} {response.headers.multi_items()}"


FAULTS = {
    "stall": "ReadTimeout",
    "silent": "ReadTimeout",
    "garbage": "RemoteProtocolError",
    "drop-start": "RemoteProtocolError",
    "drop-mid": "end",
    "cut-mid": "RemoteProtocolError",
    "reset-mid": "ReadError",
    "malformed-mid": "end",
    "error-mid": "end",
    "rate-limited": "end",
    "bad-key": "end",
    "nasty": "end",
    "split-bytes": "end",
}


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("name", FAULTS)
async def test_clients_get_the_same_errors_and_bodies(
    both: tuple[ThreadedServer, InProcess], name: str, library: ModuleType, sync: bool
) -> None:
    server, fakes = both
    given = await heard(library, fakes.base_url, name, sync=sync)
    expected = await heard(library, server.base_url, name, sync=sync)
    assert given == expected
    assert given[0] == FAULTS[name]
