"""Record and replay, with our own fakes as the provider that is recorded."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.record.proxy import ProxiedRequest, Proxy, forwarded
from chatproof.fake_providers.record.recorder import Recorder
from chatproof.fake_providers.scripting.script import BUILT_IN, Fail, Script, load_scripts
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.server.fake_server import FakeServer
from tests.fake_providers.kit import Served
from tests.timing import timed

KEY = "sk-secret-0123456789"
CHAT = "/v1/chat/completions"


@pytest.fixture
async def recorder(served: Served, tmp_path: Path) -> AsyncIterator[Proxy]:
    proxy = Proxy(served.url, Recorder(served.url, tmp_path, "recorded").open)
    await proxy.start("127.0.0.1", 0)
    yield proxy
    await proxy.stop()


def client(url: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {KEY}", "x-goog-api-key": KEY, "anthropic-version": "2023-06-01"}
    return httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=10)


def chat(text: str, stream: bool = True) -> dict[str, Any]:
    return {"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]}


async def ask(url: str, text: str, *, stream: bool = True) -> tuple[int | None, bytes, str]:
    """Status, body, and how it ended, as a client sees it."""
    async with client(url) as http:
        received, status = b"", None
        try:
            async with http.stream("POST", CHAT, json=chat(text, stream)) as response:
                status = response.status_code
                async for data in response.aiter_raw():
                    received += data
        except httpx.HTTPError as problem:
            return status, received, type(problem).__name__
        return status, received, "end"


def neutral(body: bytes) -> list[Any]:
    """The events of a chat stream without what is derived from the request's text."""
    events: list[Any] = []
    for line in body.decode().splitlines():
        data = line.removeprefix("data: ")
        if not line.startswith("data: ") or data == "[DONE]":
            events += [data] if data else []
            continue
        try:
            event = json.loads(data)
        except ValueError:
            events.append("malformed")
            continue
        events.append(event.get("choices") or event)
        for choice in event.get("choices", ()):
            for call in choice["delta"].get("tool_calls", ()):
                call.pop("id", None)
    return events


async def written(folder: Path, count: int = 1) -> dict[str, Script]:
    """The scripts in the folder once there are so many: the last is written after the client has its answer."""
    async with asyncio.timeout(5):
        while len(list(folder.glob("*.toml"))) < count:
            await asyncio.sleep(0.01)
    return load_scripts(folder)


async def replayed(folder: Path, name: str) -> tuple[FakeServer, tuple[int | None, bytes, str]]:
    server = FakeServer(ScriptLibrary([folder]))
    await server.start()
    try:
        return server, await ask(server.url, f"scenario {name} case replay")
    finally:
        await server.stop()


FAULTS = [
    "drop-start",
    "drop-mid",
    "cut-mid",
    "reset-mid",
    "malformed-mid",
    "error-mid",
    "rate-limited",
    "server-error",
]


ENDINGS = ["reasoning", "refusal", "empty", "length", "content-filter", "parallel-tools", "quota"]


@pytest.mark.parametrize("name", ["hello", "three-tokens", "unicode", "nasty", "long", *FAULTS, *ENDINGS])
async def test_what_was_recorded_is_replayed(served: Served, recorder: Proxy, tmp_path: Path, name: str) -> None:
    original = await ask(served.url, f"scenario {name}")
    through = await ask(recorder.url, f"scenario {name}")
    (recorded,) = await written(tmp_path)
    _, again = await replayed(tmp_path, recorded)
    assert neutral(through[1]) == neutral(original[1])
    assert (again[0], again[2]) == (original[0], original[2])
    assert neutral(again[1]) == neutral(original[1])


GEMINI_BODY = {"contents": [{"role": "user", "parts": [{"text": "scenario {}"}]}]}
_REQUEST_ID = re.compile(rb',"request_id":"\w+"')
ANTHROPIC_BODY = {
    "model": "claude-haiku-4-5",
    "max_tokens": 2_048,
    "thinking": {"type": "enabled", "budget_tokens": 1_024},
    "stream": True,
    "messages": [{"role": "user", "content": "scenario {}"}],
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "gemini events": ("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", GEMINI_BODY),
    "gemini array": ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", GEMINI_BODY),
    "gemini": ("/v1/models/gemini-2.5-flash:generateContent", GEMINI_BODY),
    "anthropic": ("/v1/messages", ANTHROPIC_BODY),
    "anthropic whole": ("/v1/messages", {**ANTHROPIC_BODY, "stream": False}),
    "ollama chat": ("/api/chat", {"model": "llama3.2", "messages": [{"role": "user", "content": "scenario {}"}]}),
    "ollama": ("/api/generate", {"model": "llama3.2", "prompt": "scenario {}", "stream": False}),
    "responses": ("/v1/responses", {"model": "gpt-4o", "input": "scenario {}", "stream": True}),
}


@pytest.mark.parametrize("provider", OTHERS)
@pytest.mark.parametrize(
    "name", ["three-tokens", "unicode", "tool-call", "rate-limited", "error-mid", "drop-mid", "reasoning", "refusal"]
)
async def test_every_providers_answers_are_recorded(
    served: Served, recorder: Proxy, tmp_path: Path, provider: str, name: str
) -> None:
    target, template = OTHERS[provider]

    async def post(url: str, script: str) -> tuple[int | None, bytes]:
        body = json.loads(json.dumps(template).replace("{}", script))
        async with client(url) as http:
            response = await http.post(target, json=body)
            return response.status_code, response.content

    original, through = await post(served.url, name), await post(recorder.url, name)
    assert through == original
    ((recorded, script),) = (await written(tmp_path)).items()
    wanted = load_scripts(BUILT_IN)[name]
    whole = provider in ("gemini", "anthropic whole", "ollama") and isinstance(
        wanted.steps[-1], Fail
    )  # cut off, or an error instead
    said = script.text if "/api/" not in target else script.text.removesuffix(wanted.refusal)  # there it is text
    assert whole or said == wanted.text
    assert len(script.thoughts) == len(wanted.thoughts)
    assert script.refusal == ("" if "/api/" in target else wanted.refusal)
    if provider != "ollama":  # /api/generate has no calls
        assert [(call.name, json.loads(call.arguments)) for call in script.calls] == [
            (call.name, json.loads(call.arguments)) for call in wanted.calls
        ]
    server = FakeServer(ScriptLibrary([tmp_path]))
    await server.start()
    try:
        again = await post(server.url, recorded)
    finally:
        await server.stop()
    assert again[0] == original[0]
    if original[0] != 200:
        assert json.loads(_REQUEST_ID.sub(b"", again[1])) == json.loads(_REQUEST_ID.sub(b"", original[1]))


@timed
async def test_the_pace_is_the_one_seen(served: Served, recorder: Proxy, tmp_path: Path, fakes: Fakes) -> None:
    await ask(recorder.url, "scenario pairs case first")
    (name,) = await written(tmp_path)
    server, _ = await replayed(tmp_path, name)
    (first,) = await fakes.entries("first")
    (again,) = server.journal.entries("replay")
    for before, after in zip(
        _times(first.writes), _times(again.writes), strict=True
    ):  # 30 and 300 ms, of which a busy machine makes more
        assert after == pytest.approx(before, abs=0.1)


def _times(writes: Any) -> list[float]:
    moments = [write.at for write in writes if write.tokens]
    return [after - before for before, after in pairwise(moments)]


async def test_a_call_is_recorded_whole(fakes: Fakes, recorder: Proxy, tmp_path: Path) -> None:
    toml = """
    about = "Calls."
    [[steps]]
    text = "Let me look."
    [[steps]]
    tool_call = "get_weather"
    arguments = '{"city": "Zürich", "days": null}'
    [[steps]]
    tool_call = "get_time"
    """
    await fakes.register("calls", toml)
    await ask(recorder.url, "scenario calls")
    ((name, script),) = (await written(tmp_path)).items()
    assert script.text == "Let me look."
    assert [(call.name, call.arguments) for call in script.calls] == [
        ("get_weather", '{"city": "Zürich", "days": null}'),
        ("get_time", "{}"),
    ]
    assert script.finish_reason == "tool_calls"
    _, (_, body, _) = await replayed(tmp_path, name)
    assert b'"finish_reason":"tool_calls"' in body


@timed
async def test_a_whole_answer_is_recorded_too(recorder: Proxy, tmp_path: Path) -> None:
    await ask(recorder.url, "scenario paced", stream=False)
    (script,) = (await written(tmp_path)).values()
    assert script.text.startswith("A train leaves")
    assert script.first_token == pytest.approx(1.0, abs=0.1)


async def test_a_silent_provider_is_a_stall_when_the_client_gives_up(recorder: Proxy, tmp_path: Path) -> None:
    async with client(recorder.url) as http, http.stream("POST", CHAT, json=chat("scenario stall")) as response:
        received = b""
        async for data in response.aiter_raw():
            received += data
            if received.count(b"content") > 3:
                break
    (script,) = (await written(tmp_path)).values()
    assert len(script.tokens) == 3
    assert script.steps[-1] == Fail("stall")


async def test_the_case_names_the_script_and_no_name_is_taken_twice(recorder: Proxy, tmp_path: Path) -> None:
    for text in ("case abc-7", "case abc-7", "nothing", "nothing"):
        await ask(recorder.url, f"hello, {text}")
    names = {"recorded-abc-7", "recorded-abc-7-2", "recorded-001", "recorded-002"}
    assert set(await written(tmp_path, 4)) == names


async def test_keys_are_passed_on_and_never_written(served: Served, tmp_path: Path, fakes: Fakes) -> None:
    await fakes.register("echo", f'about = "x"\n[[steps]]\ntext = "Your key is {KEY}, or AIza0123456789abc."\n')
    proxy = Proxy(served.url, Recorder(served.url, tmp_path, "recorded", match=True).open)
    await proxy.start("127.0.0.1", 0)
    try:
        status, _, _ = await ask(proxy.url, f"scenario echo {KEY}")
    finally:
        await proxy.stop()
    assert status == 200
    (path,) = tmp_path.glob("*.toml")
    text = path.read_text()
    assert KEY not in text
    assert "AIza" not in text
    assert "[redacted]" in "".join(load_scripts(tmp_path)[path.stem].tokens)
    assert load_scripts(tmp_path)[path.stem].match is None


async def test_the_same_message_can_choose_the_script(served: Served, tmp_path: Path) -> None:
    proxy = Proxy(served.url, Recorder(served.url, tmp_path, "recorded", match=True).open)
    await proxy.start("127.0.0.1", 0)
    try:
        _, first, _ = await ask(proxy.url, "How (much) is 2+2?")
    finally:
        await proxy.stop()
    (script,) = load_scripts(tmp_path).values()
    assert script.match is not None
    assert script.match.fits("How (much) is 2+2?", "any", "openai")
    assert not script.match.fits("How much is 2+2?", "any", "openai")
    assert script.text.encode() == b"".join(_contents(first))


async def test_an_agents_loop_is_recorded_so_that_it_ends(served: Served, tmp_path: Path) -> None:
    """Both replies have the same last user message: what tells them apart is the tool's result."""
    proxy = Proxy(served.url, Recorder(served.url, tmp_path, "recorded", match=True).open)
    await proxy.start("127.0.0.1", 0)
    path, call = "/v1beta/models/gemini-2.5-flash:generateContent", {"name": "get_weather", "args": {}}
    result = {"functionResponse": {"name": "get_weather", "response": {"result": 1}}}
    contents = [
        {"role": "user", "parts": [{"text": "scenario tool-call"}]},
        {"role": "model", "parts": [{"functionCall": call}]},
        {"role": "user", "parts": [result]},
    ]
    try:
        async with client(proxy.url) as http:
            for said in (contents[:1], contents):
                assert (await http.post(path, json={"contents": said})).status_code == 200
    finally:
        await proxy.stop()
    before, after = load_scripts(tmp_path).values()
    assert [bool(one.calls) for one in (before, after)] == [True, False]
    matches = [one.match for one in (before, after) if one.match is not None]
    assert [(one.message is not None, one.after_tool) for one in matches] == [(True, False), (True, True)]


def _contents(body: bytes) -> list[bytes]:
    return [
        choice["delta"]["content"].encode()
        for choices in neutral(body)
        if isinstance(choices, list)
        for choice in choices
        if choice["delta"].get("content")
    ]


async def test_other_requests_pass_unrecorded(recorder: Proxy, tmp_path: Path) -> None:
    async with client(recorder.url) as http:
        models = await http.get("/v1/models")
        assert models.status_code == 200
        assert (await http.get("/nowhere")).status_code == 404
    assert not list(tmp_path.iterdir())


async def test_a_target_that_is_not_there_is_a_502(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        proxy = Proxy(url, Recorder(url, tmp_path, "recorded").open)
        await proxy.start("127.0.0.1", 0)
        status, body, _ = await ask(proxy.url, "hello")
        await proxy.stop()
    assert (status, b"cannot be reached" in body) == (502, True)
    assert "the target cannot be reached" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_path_that_the_target_has_is_not_doubled() -> None:
    def url(target: str, path: str) -> str:
        with httpx.Client() as client:
            return str(forwarded(client, target, ProxiedRequest("POST", path, "a=b", {"host": "x"}, b"")).url)

    assert url("http://h/v1", "/v1/models") == "http://h/v1/models?a=b"
    assert url("http://h", "/v1/models") == "http://h/v1/models?a=b"
    assert url("http://h/prefix", "/v1/models") == "http://h/prefix/v1/models?a=b"


def test_the_command_records_until_it_is_told_to_stop(served: Served, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chatproof.fake_providers", "record", "--target", served.url, "--port", "0"]
    process = subprocess.Popen([*command, "--out", str(tmp_path / "new")], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            url = next(word for word in line.split() if word.startswith("http"))
            asyncio.run(ask(url, "scenario three-tokens"))
            assert process.stdout.readline().startswith("recorded-001: 3 tokens, ")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["recorded-001.toml"]
