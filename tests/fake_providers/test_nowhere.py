"""What is not answered is refused in the shape of the path's own provider, and says what is there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_providers.routes_kit import AZURE, GOOGLE, OPENAI, Provider

ANTHROPIC = ("x-api-key", "k")


def openai(body: Any) -> str:
    assert body["error"].keys() == {"message", "type", "param", "code"}
    return str(body["error"]["message"])


def google(body: Any) -> str:
    assert (body["error"]["code"], body["error"]["status"]) == (404, "NOT_FOUND")
    return str(body["error"]["message"])


def azure(body: Any) -> str:
    assert body["error"].keys() == {"code", "message"}
    return str(body["error"]["message"])


def anthropic(body: Any) -> str:
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    return str(body["error"]["message"])


@pytest.mark.parametrize(
    ("key", "path", "read", "there"),
    [
        (OPENAI, "/v1/images/generations", openai, "POST /v1/chat/completions"),
        (OPENAI, "/chat/completions", openai, "OPENAI_BASE_URL ends in /v1"),
        (OPENAI, "/v1/responses/compact", openai, "/v1/responses/{id}/cancel"),
        (AZURE, "/openai/deployments/d/audio/speech?api-version=2024-10-21", azure, "/openai/deployments/{name}/chat"),
        (AZURE, "/openai/v1/files", azure, "/openai/v1"),
        (GOOGLE, "/v1beta/cachedContents", google, "POST /v1beta/interactions"),
        (GOOGLE, "/v1beta/agents", google, ":streamGenerateContent"),
        (GOOGLE, "/v1/files", google, "GOOGLE_GEMINI_BASE_URL"),
        (
            OPENAI,
            "/v1/projects/p/locations/l/publishers/google/models/gemini-3.8-flash:generateContent",
            google,
            "no fake of Vertex AI",
        ),
        (OPENAI, "/v1beta1/projects/p/locations/l/interactions", google, "/v1beta/models/{model}:generateContent"),
        (ANTHROPIC, "/v1/messages/batches", anthropic, "ANTHROPIC_BASE_URL"),
        (ANTHROPIC, "/v1/complete", anthropic, "ANTHROPIC_BASE_URL"),
    ],
)
def test_the_shape_is_the_providers(key: tuple[str, str], path: str, read: Any, there: str) -> None:
    found = Provider(key).post(path, {})
    assert found.status == 404
    assert there in read(found.json)


def test_headers_tell_whose_a_path_is() -> None:
    assert "ANTHROPIC_BASE_URL" in anthropic(Provider(ANTHROPIC).get("/v1/files", anthropic_version="2023-06-01").json)


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/api/pull", b"/api/chat"),
        ("/ollama/api/push", b"/api/embed"),
        ("/ollama/v1/images", b"/ollama/v1/chat/completions"),
        ("/vllm/metrics", b"/vllm/v1/completions"),
        ("/llamacpp/props", b"/llamacpp/v1/chat/completions"),
        ("/lmstudio/api/v0/models", b"/lmstudio/v1/responses"),
    ],
)
def test_local_servers_say_what_they_have(path: str, there: bytes) -> None:
    assert there in Provider(OPENAI).get(path).body
