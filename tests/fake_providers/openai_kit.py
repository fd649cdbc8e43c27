"""Requests to the OpenAI dialect and what comes of them, without a server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Recall, Reply
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.kept_replies import KeptReplies
from chatproof.fake_providers.scripting.script import Script, parse_script

CHAT: Final = "/v1/chat/completions"
RESPONSES: Final = "/v1/responses"
EMBEDDINGS: Final = "/v1/embeddings"

TWO_CALLS: Final = """
about = "Says a word, then calls two tools."
[[steps]]
tokens = ["Let", " me see."]
[[steps]]
tool_call = "get_weather"
arguments = { city = "Zürich", days = 2 }
[[steps]]
tool_call = "get_time"
arguments = "{}"
"""
ONE_CALL: Final = 'about = "Calls a tool."\n[[steps]]\ntool_call = "get_weather"\narguments = { city = "Paris" }'
TOOLS: Final = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


def request(body: Any, path: str = CHAT, method: str = "POST", **headers: str) -> IncomingRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"authorization": "Bearer sk-1", **headers}
    return as_request(method, path, {name: value for name, value in sent.items() if value}, data)


def chat(text: Any = "Hi, scenario tiny case a-1", **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}


def script(steps: str = '[[steps]]\ntokens = ["Où", " là\\u2028"]', top: str = "") -> dict[str, Script]:
    return {"tiny": parse_script("tiny", f'about = "x"\n{top}\n{steps}')}


def named(toml: str) -> dict[str, Script]:
    return {"tiny": parse_script("tiny", toml)}


def asked(body: Any, scripts: Mapping[str, Script] | None = None, path: str = CHAT) -> Ask:
    ask = openai.read(request(body, path), scripts or script())
    if isinstance(ask, Recall):
        ask = ask.answer(KeptReplies())
    assert isinstance(ask, Ask), payload(ask)
    return ask


def replied(body: Any, scripts: Mapping[str, Script] | None = None, path: str = CHAT) -> Reply:
    return openai.render(asked(body, scripts, path))


def refused(body: Any, path: str = CHAT, status: int = 400, method: str = "POST", **headers: str) -> dict[str, Any]:
    """The error object of the answer, checked for its shape."""
    reply = openai.read(request(body, path, method, **headers), script())
    assert isinstance(reply, Reply), reply
    assert reply.status == status, payload(reply)
    answer = json.loads(payload(reply))
    assert answer.keys() == {"error"}
    assert answer["error"].keys() == {"message", "type", "param", "code"}
    return dict(answer["error"])


def payload(reply: Reply) -> bytes:
    return b"".join(frame.payload for frame in reply.frames)


def without_ids(answer: Any) -> Any:
    """The same JSON without what it has of the request's digest, in ids and sealed thoughts: other requests differ."""
    return json.loads(re.sub(r"(?<=_|-)[0-9a-f]{20,}|gAAA[\w=-]{20,}", "", json.dumps(answer)))


def whole(reply: Reply) -> dict[str, Any]:
    answer = json.loads(payload(reply))
    assert isinstance(answer, dict)
    return answer


def events(reply: Reply) -> list[tuple[str | None, Any]]:
    """(event name, JSON) of each frame of a stream, without [DONE]; malformed ones are left out."""
    found: list[tuple[str | None, Any]] = []
    for block in payload(reply).decode().split("\n\n")[:-1]:
        lines = block.split("\n")
        name = lines[0].removeprefix("event: ") if lines[0].startswith("event: ") else None
        data = lines[-1].removeprefix("data: ")
        if data != "[DONE]" and "brok" not in data:
            found.append((name, json.loads(data)))
    return found
