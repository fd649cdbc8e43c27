"""Every wire, read fully by the official clients of its form, Python and JavaScript, unmodified: else it is no wire.

The JSON array of Gemini has no official client: `tests/fake_providers/test_wires.py` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from chatproof.fake_providers.scripting.script import BUILT_IN, load_scripts
from chatproof.fake_providers.scripting.wire_table import Form, wires_of
from chatproof.fake_providers.testing.threaded import ThreadedServer
from tests.clients import node

SCRIPTS: Final = load_scripts(BUILT_IN)
NAMES: Final = ("unicode", "tool-call")
FINISH: Final = {
    "chat": ("stop", "tool_calls"),
    "responses": ("completed", "completed"),
    "gemini": ("STOP", "STOP"),
    "ollama": ("stop", "stop"),
}
READ: Final[tuple[Form, ...]] = ("chat", "responses", "gemini", "ollama")
ASKS: Final = [(form, wire, name) for form in READ for wire in wires_of(form) for name in NAMES]

# google-genai derives its own session from aiohttp's, which aiohttp discourages: nothing that a test could change.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedServer]:
    with ThreadedServer() as running:
        for name in NAMES:
            toml = (BUILT_IN / f"{name}.toml").read_text(encoding="utf-8")
            running.script(name, toml.replace("inter_token_ms", "first_token_ms"))  # no test has to wait for the pace
        yield running


def expected(form: str, name: str) -> dict[str, Any]:
    script = SCRIPTS[name]
    calls = [json.loads(call.arguments) for call in script.calls]
    return {"text": script.text, "put": script.text, "calls": calls, "finish": FINISH[form][NAMES.index(name)]}


@node.needs("openai")
@node.needs("@google/genai")
@node.needs("ollama")
@pytest.mark.parametrize("form", READ)
async def test_javascript_reads_every_wire(server: ThreadedServer, form: Form) -> None:
    asks = [(form, f"scenario {name} wire {wire}") for one, wire, name in ASKS if one == form]
    found = await node.run("wires.mjs", server.url, json.dumps(asks))
    wanted = [expected(form, name) for one, _, name in ASKS if one == form]
    wrong = {message: was for (_, message), was, want in zip(asks, found, wanted, strict=True) if was != want}
    assert wrong == {}


def chat(url: str, text: str) -> dict[str, Any]:
    openai = pytest.importorskip("openai", reason="the official openai client is not installed")
    body: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        chunks = list(client.chat.completions.create(**body, stream=True))
        with client.chat.completions.stream(**body) as stream:
            final = stream.get_final_completion().choices[0]
    return {
        "text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "put": final.message.content,
        "calls": [json.loads(call.function.arguments) for call in final.message.tool_calls or ()],
        "finish": final.finish_reason,
    }


def responses(url: str, text: str) -> dict[str, Any]:
    openai = pytest.importorskip("openai", reason="the official openai client is not installed")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        events = list(client.responses.create(model="gpt-4o", input=text, stream=True))
        with client.responses.stream(model="gpt-4o", input=text) as stream:
            final = stream.get_final_response()
    return {
        "text": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
        "put": final.output_text,
        "calls": [json.loads(item.arguments) for item in final.output if item.type == "function_call"],
        "finish": final.status,
    }


def gemini(url: str, text: str) -> dict[str, Any]:
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")
    with genai.Client(api_key="secret", http_options={"base_url": url, "timeout": 5_000}) as client:
        return _put_together(list(client.models.generate_content_stream(model="gemini-2.5-flash", contents=text)))


def _put_together(chunks: list[Any]) -> dict[str, Any]:
    found = "".join(
        part.text or ""
        for chunk in chunks
        for one in chunk.candidates
        for part in (one.content and one.content.parts) or ()
    )
    calls = [dict(call.args) for chunk in chunks for call in chunk.function_calls or ()]
    finish = [one.finish_reason.value for chunk in chunks for one in chunk.candidates if one.finish_reason]
    return {"text": found, "put": found, "calls": calls, "finish": finish[-1]}


def ollama(url: str, text: str) -> dict[str, Any]:
    library = pytest.importorskip("ollama", reason="ollama is not installed: make setup")
    messages = [{"role": "user", "content": text}]
    with library.Client(host=url, trust_env=False, timeout=5) as client:
        parts = list(client.chat(model="llama3.2", messages=messages, stream=True))
    found = "".join(part.message.content for part in parts)
    calls = [dict(call.function.arguments) for part in parts for call in part.message.tool_calls or ()]
    return {"text": found, "put": found, "calls": calls, "finish": parts[-1].done_reason}


READERS: Final[dict[str, Callable[[str, str], dict[str, Any]]]] = {
    "chat": chat,
    "responses": responses,
    "gemini": gemini,
    "ollama": ollama,
}


@pytest.mark.parametrize("form", READ)
def test_python_reads_every_wire(server: ThreadedServer, form: Form) -> None:
    wrong = {}
    for one, wire, name in ASKS:
        if one == form:
            try:
                found: Any = READERS[form](server.url, f"scenario {name} wire {wire}")
            except Exception as problem:  # any failure of a client is a finding about that wire
                found = repr(problem)[:300]
            if found != expected(form, name):
                wrong[f"{wire} {name}"] = found
    assert wrong == {}


async def test_python_reads_geminis_wires_with_aiohttp(server: ThreadedServer) -> None:
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    client = genai.Client(api_key="secret", http_options={"base_url": server.url, "timeout": 5_000})
    async with client.aio as made:
        for wire in wires_of("gemini"):
            message = f"scenario unicode wire {wire}"
            stream = await made.models.generate_content_stream(model="gemini-2.5-flash", contents=message)
            assert _put_together([chunk async for chunk in stream]) == expected("gemini", "unicode"), wire
    client.close()


async def test_the_official_clients_fail_on_what_is_said_to_be_no_wire() -> None:
    """docs/scripts.md names them: a client that learns to read one makes it a wire."""
    openai = pytest.importorskip("openai", reason="the official openai client is not installed")
    decoder = openai._streaming.SSEDecoder()
    assert list(decoder.iter_bytes(iter([b'\xef\xbb\xbfdata: {"a": 1}\n\n']))) == []
