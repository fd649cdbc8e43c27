"""Requests to the dialects of local servers, Ollama's own and the OpenAI-compatible one, without a server.

python -m tests.fake_providers.local_kit    writes the golden digests anew: look at the diff, then commit it
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Reply
from chatproof.fake_providers.dialects.ollama import dialect as ollama
from chatproof.fake_providers.dialects.openai_compatible import dialect as openai_compatible
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.scripting.script import BUILT_IN, Script, load_scripts, parse_script

CHAT: Final = "/api/chat"
GENERATE: Final = "/api/generate"
PRODUCTS: Final = ("llamacpp", "lmstudio", "ollama", "vllm")
GOLDEN: Final = Path(__file__).parent / "golden" / "local.json"

CALL: Final = """
about = "Says two words, then calls a tool."
[timing]
first_token_ms = 50
inter_token_ms = 10
[[steps]]
tokens = ["Let", " me see."]
[[steps]]
tool_call = "get_weather"
arguments = { city = "Zürich", days = 2 }
"""
STATUSES: Final = (400, 401, 403, 404, 418, 429, 500, 503)


class _Local:
    """Both dialects, as the router chooses between them."""

    def answers(self, request: IncomingRequest) -> bool:
        return ollama.answers(request) or openai_compatible.answers(request)

    def read(self, request: IncomingRequest, scripts: Mapping[str, Script]) -> Ask | Reply:
        if ollama.answers(request):
            return ollama.read(request, scripts)
        return openai_compatible.read(request, scripts)

    def render(self, ask: Ask) -> Reply:
        return ollama.render(ask) if ask.flavour.startswith("/") else openai_compatible.render(ask)


local: Final = _Local()


def request(path: str, body: Any = None, method: str = "POST", **headers: str) -> IncomingRequest:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return as_request(method, path, headers, data)


def said(text: str = "Hi, scenario tiny case a-1", **more: Any) -> dict[str, Any]:
    return {"model": "llama3.2", "messages": [{"role": "user", "content": text}], **more}


def prompted(text: str = "scenario tiny", **more: Any) -> dict[str, Any]:
    return {"model": "llama3.2", "prompt": text, **more}


def script(steps: str = '[[steps]]\ntokens = ["Où", " là\\u2028"]', top: str = "") -> dict[str, Script]:
    return {"tiny": parse_script("tiny", f'about = "x"\n{top}\n{steps}')}


def calling() -> dict[str, Script]:
    return {"tiny": parse_script("tiny", CALL)}


def asked(path: str, body: Any, scripts: Mapping[str, Script] | None = None) -> Ask:
    ask = local.read(request(path, body), scripts or script())
    assert isinstance(ask, Ask), payload(ask)
    return ask


def replied(path: str, body: Any, scripts: Mapping[str, Script] | None = None) -> Reply:
    return local.render(asked(path, body, scripts))


def refused(path: str, body: Any, status: int, **more: Any) -> Any:
    """The body of the refusal, as JSON."""
    reply = local.read(request(path, body, **more), script())
    assert isinstance(reply, Reply), reply
    assert reply.status == status, payload(reply)
    return json.loads(payload(reply))


def payload(reply: Reply) -> bytes:
    return b"".join(frame.payload for frame in reply.frames)


def lines(reply: Reply) -> list[Any]:
    """The objects of an NDJSON stream; each line is whole and none is blank."""
    text = payload(reply).decode()
    assert text.endswith("\n")
    return [json.loads(line) for line in text[:-1].split("\n")]


def events(reply: Reply) -> list[Any]:
    """The JSON of each server-sent event, [DONE] as it is."""
    blocks = payload(reply).decode().split("\n\n")
    assert blocks.pop() == ""
    data = [block.split("\n")[-1].removeprefix("data: ") for block in blocks]
    return [text if text == "[DONE]" else json.loads(text) for text in data]


def digests() -> dict[str, str]:
    """A digest of every built-in script's bytes and times, for each way to ask for it."""
    scripts = load_scripts(BUILT_IN)
    return {name: _digest(reply) for name, reply in _replies(scripts)}


def _replies(scripts: Mapping[str, Script]) -> Iterator[tuple[str, Reply]]:
    for name, chosen in scripts.items():
        if chosen.sequence:
            continue  # it is several others, one at a time
        text = f"scenario {name}"
        for stream in (True, False):
            how = "streamed" if stream else "whole"
            yield f"chat {how} {name}", replied(CHAT, said(text, stream=stream), scripts)
            yield f"generate {how} {name}", replied(GENERATE, prompted(text, stream=stream), scripts)
            for product in PRODUCTS:
                options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
                body = said(text, stream=stream, **options)
                yield f"{product} {how} {name}", replied(f"/{product}/v1/chat/completions", body, scripts)


def _digest(reply: Reply) -> str:
    frames = [(round(frame.due * 1e6), frame.payload) for frame in reply.frames]
    whole = (reply.status, reply.headers, frames, reply.end, round(reply.end_due * 1e6), reply.torn)
    return hashlib.sha256(repr(whole).encode()).hexdigest()[:16]


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(digests(), indent=0, sort_keys=True) + "\n", encoding="utf-8")
