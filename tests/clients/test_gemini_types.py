"""Every frame of the fake Gemini is what the official client's own types allow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.fake_providers.dialects.base import Ask
from chatproof.fake_providers.dialects.gemini import dialect as gemini
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.scripting.script import Script, parse_script
from tests.clients.gemini_kit import EXTRA, MODEL

pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")

from google.genai import types


def frames(name: str, action: str, scripts: dict[str, Script], **more: Any) -> list[str]:
    body = {"contents": [{"parts": [{"text": f"scenario {name}"}]}], **more}
    path = f"/v1/models/{MODEL}:{action}"
    ask = gemini.read(as_request("POST", path, {"x-goog-api-key": "k"}, json.dumps(body).encode()), scripts)
    assert isinstance(ask, Ask)
    return [frame.payload.decode() for frame in gemini.render(ask).frames]


@pytest.mark.parametrize("candidates", [1, 2])
@pytest.mark.parametrize("action", ["streamGenerateContent?alt=sse", "streamGenerateContent", "generateContent"])
def test_each_frame_fits_the_clients_types(action: str, candidates: int, scripts: dict[str, Script]) -> None:
    own = {name: parse_script(name, text) for name, text in EXTRA.items() if "sequence" not in text}
    everything = {**scripts, **own}
    checked = 0
    for name, script in everything.items():
        if any(getattr(step, "fault", "") in ("status", "garbage", "malformed") for step in script.steps):
            continue
        if any(getattr(step, "split_every", None) or getattr(step, "split_bytes", ()) for step in script.steps):
            continue  # the same text, cut
        if action == "generateContent" and any(hasattr(step, "fault") for step in script.steps):
            continue  # half a body
        for frame in frames(name, action, everything, generationConfig={"candidateCount": candidates}):
            text = frame.removeprefix("data: ").removeprefix(",\r\n").removeprefix("[").removesuffix("]")
            value = json.loads(text)
            if "error" not in value:
                types.GenerateContentResponse.model_validate(value)  # extra fields are forbidden
                checked += 1
    assert checked > 5
