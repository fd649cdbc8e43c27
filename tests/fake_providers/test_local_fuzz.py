"""Whatever a request holds, the local servers answer it: in their own shape, and with bytes that can be sent."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatproof.fake_providers.dialects.base import Ask, Reply
from chatproof.fake_providers.planning.http_writes import plan_writes
from tests.fake_providers.local_kit import CHAT, GENERATE, PRODUCTS, calling, local, request

PATHS: Final = (
    CHAT,
    GENERATE,
    "/api/embed",
    "/api/embeddings",
    "/api/show",
    *(f"/{product}/v1/{path}" for product in PRODUCTS for path in ("chat/completions", "embeddings", "responses")),
)
# fmt: off
KEYS: Final = [
    "model", "messages", "prompt", "input", "stream", "stream_options", "options", "raw", "images", "system", "n",
    "template", "context", "format", "keep_alive", "think", "tools", "truncate", "dimensions", "max_tokens", "role",
    "max_completion_tokens", "temperature", "tool_choice", "stop", "content", "tool_calls", "function", "name",
    "arguments", "num_predict", "include_usage", "continuous_usage_stats", "type", "text",
]
# fmt: on

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2**70)
    | st.sampled_from([1e999, -1e999, 0.5])
    | st.sampled_from(["", "user", "m", "missing", "scenario tiny", "scenario nope", "json", "a b", "\u2028", "0s"])
    | st.text(max_size=5)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)
good: Final[dict[str, Any]] = {
    "model": "m",
    "messages": [{"role": "user", "content": "scenario tiny"}],
    "prompt": "scenario tiny",
    "input": "x",
}


@settings(max_examples=800, deadline=None)
@given(st.sampled_from(PATHS), st.dictionaries(st.sampled_from(KEYS), values, max_size=5), st.booleans())
@example(CHAT, {"options": {"num_predict": 1e999}}, True)
@example("/api/embeddings", {"dimensions": [None]}, True)
@example(CHAT, {"messages": [{"role": None, "content": None}]}, True)
def test_every_body_is_answered(path: str, body: dict[str, Any], otherwise_good: bool) -> None:
    sent = {**good, **body} if otherwise_good else body
    data = json.dumps(sent).replace("Infinity", "1e999").encode()
    answer = local.read(request(path, data), calling())
    reply = local.render(answer) if isinstance(answer, Ask) else answer
    assert isinstance(reply, Reply)
    assert plan_writes(reply, True, True).writes
    payload = b"".join(frame.payload for frame in reply.frames)
    assert not {0, 1} & set(payload)
    if reply.status != 200:
        assert json.loads(payload)["error"]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20), st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE"]), st.binary(max_size=20))
def test_every_path_is_answered(tail: str, method: str, body: bytes) -> None:
    for root in ("", "/api", *(f"/{product}" for product in PRODUCTS), "/vllm/v1", "/ollama/api"):
        path = f"{root}/{tail}"
        if local.answers(request(path, body, method)):
            answer = local.read(request(path, body, method), calling())
            assert isinstance(answer, Reply)
            assert answer.status is not None
