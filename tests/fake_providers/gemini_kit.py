"""Requests to the fake Gemini, and its replies read back."""

from __future__ import annotations

import json
from typing import Any

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Reply
from chatproof.fake_providers.dialects.gemini import dialect as gemini
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.scripting.script import Script, parse_script

MODEL = "/v1beta/models/gemini-2.5-flash"
SSE, ARRAY, WHOLE = ":streamGenerateContent?alt=sse", ":streamGenerateContent", ":generateContent"
FRAMINGS = [SSE, ARRAY, WHOLE]
KEY = {"x-goog-api-key": "secret"}


def script(steps: str = '[[steps]]\ntokens = ["Où", " <là>\\u2028"]', top: str = "") -> dict[str, Script]:
    return {"tiny": parse_script("tiny", f'about = "x"\n{top}\n{steps}')}


def fault(keys: str, before: str = '[[steps]]\ntokens = ["One", " two"]') -> dict[str, Script]:
    return script(f"[timing]\ninter_token_ms = 10\n{before}\n[[steps]]\nfault = {keys}")


def request(
    text: str = "Hi, scenario tiny case a-1", framing: str = SSE, headers: dict[str, str] = KEY, **more: Any
) -> IncomingRequest:
    body = {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}
    return as_request("POST", MODEL + framing, headers, json.dumps(body).encode())


def replied(sent: IncomingRequest, scripts: dict[str, Script] | None = None) -> Reply:
    answer = gemini.read(sent, scripts or script())
    return gemini.render(answer) if isinstance(answer, Ask) else answer


def payload(reply: Reply) -> bytes:
    return b"".join(frame.payload for frame in reply.frames)


def objects(reply: Reply, framing: str) -> list[Any]:
    """The JSON objects of a reply that came to its end."""
    text = payload(reply).decode()
    if framing == SSE:
        events = text.split("\r\n\r\n")
        assert events.pop() == ""
        return [json.loads(event.removeprefix("data: ")) for event in events]
    return list(json.loads(text)) if framing == ARRAY else [json.loads(text)]
