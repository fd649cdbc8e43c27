"""Every wire, read fully by the official clients of its form, Python and JavaScript, unmodified: else it is no wire.

The JSON array of Gemini has no official client: `tests/fake_providers/test_wires.py` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
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
    "messages": ("end_turn", "tool_use"),
    "ollama": ("stop", "stop"),
}
READ: Final[tuple[Form, ...]] = ("chat", "responses", "gemini", "messages", "ollama")
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


@node.needs("@anthropic-ai/sdk")
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


def messages(url: str, text: str) -> dict[str, Any]:
    anthropic = pytest.importorskip("anthropic", reason="anthropic is not installed: make setup")
    body: Any = {"model": "claude-haiku-4-5", "max_tokens": 4_096, "messages": [{"role": "user", "content": text}]}
    with anthropic.Anthropic(base_url=url, api_key="sk-ant-test", max_retries=0) as client:
        events = list(client.messages.create(**body, stream=True))
        with client.messages.stream(**body) as stream:
            final = stream.get_final_message()
    deltas = [event.delta for event in events if event.type == "content_block_delta"]
    return {
        "text": "".join(delta.text for delta in deltas if delta.type == "text_delta"),
        "put": "".join(block.text for block in final.content if block.type == "text"),
        "calls": [dict(block.input) for block in final.content if block.type == "tool_use"],
        "finish": final.stop_reason,
    }


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
    "messages": messages,
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


class _Fixed(BaseHTTPRequestHandler):
    """Answers any POST with the stream that the model's name asks for: `fixed-bom`."""

    streams: Final = {
        "bom": b'\xef\xbb\xbfdata: {"choices": [{"delta": {"content": "Hi"}}]}\n\n',
        "retry": b'retry: 3000\n\ndata: {"choices": [{"delta": {"content": "Hi"}}]}\n\n',
        "half": b'data: {"choices": [{"delta": {"content": "\\ud83c"}}]}\n\n'
        b'data: {"choices": [{"delta": {"content": "\\udf0d"}}]}\n\n',
        "no-delta": b'data: {"choices": [{"index": 0, "finish_reason": null}]}\n\n',
        "comments": b': ping\r\n\r\ndata: {"candidates": []}\r\n\r\n',
        "no-space": b'data:{"candidates": []}\r\n\r\n',
        "done": b'data: {"candidates": []}\r\n\r\ndata: [DONE]\r\n\r\n',
        "blank": b'{"message": {"role": "assistant", "content": "Hi"}, "done": false}\n\n',
    }

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        name = next(name for name in self.streams if f"fixed-{name}" in self.path + sent)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(self.streams[name])

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture(scope="module")
def fixed() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Fixed)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.mark.parametrize("name", ["bom", "retry", "half", "no-delta"])
def test_openais_client_does_not_read_what_is_said_to_be_no_wire(fixed: str, name: str) -> None:
    """docs/scripts.md names these: if a client learns to read one, it may become a wire."""
    openai = pytest.importorskip("openai", reason="the official openai client is not installed")
    with openai.OpenAI(base_url=f"{fixed}/v1", api_key="sk-test", max_retries=0) as client:
        text = None
        try:
            messages: Any = [{"role": "user", "content": "Hi"}]
            stream = client.chat.completions.create(model=f"fixed-{name}", messages=messages, stream=True)
            text = "".join(chunk.choices[0].delta.content for chunk in stream)
        except (ValueError, AttributeError):
            pass
        assert text not in ("Hi", "\N{EARTH GLOBE EUROPE-AFRICA}")


@pytest.mark.parametrize("name", ["comments", "no-space", "done"])
def test_googles_client_does_not_read_what_is_said_to_be_no_wire(fixed: str, name: str) -> None:
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")
    with (
        genai.Client(api_key="secret", http_options={"base_url": fixed, "timeout": 5_000}) as client,
        pytest.raises(genai.errors.UnknownApiResponseError),
    ):
        list(client.models.generate_content_stream(model=f"fixed-{name}", contents="Hi"))


def test_ollamas_client_does_not_read_blank_lines(fixed: str) -> None:
    library = pytest.importorskip("ollama", reason="ollama is not installed: make setup")
    with library.Client(host=fixed, trust_env=False, timeout=5) as client, pytest.raises(ValueError, match="Expecting"):
        list(client.chat(model="fixed-blank", messages=[{"role": "user", "content": "Hi"}], stream=True))
