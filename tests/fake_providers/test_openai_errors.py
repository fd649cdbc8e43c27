"""OpenAI's errors, its headers, its models."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.fake_providers.dialects.base import Reply
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.models.catalogue import STRICT
from chatproof.fake_providers.planning.http_request import as_request
from tests.fake_providers.openai_kit import (
    CHAT,
    EMBEDDINGS,
    RESPONSES,
    chat,
    named,
    payload,
    refused,
    replied,
    request,
    script,
    whole,
)

BODIES = {
    CHAT: chat(),
    RESPONSES: {"model": "gpt-4o", "input": "scenario tiny"},
    EMBEDDINGS: {"model": "text-embedding-3-small", "input": "scenario tiny"},
}


def failing(keys: str) -> Reply:
    return replied(chat(), script(f'[[steps]]\nfault = "status"\n{keys}'))


@pytest.mark.parametrize("path", BODIES)
def test_every_answer_tells_the_limits(path: str) -> None:
    headers = dict(replied(BODIES[path], path=path).headers)
    assert headers["x-ratelimit-limit-requests"] == "10000"
    assert headers["x-ratelimit-remaining-requests"] == "9999"
    assert headers["x-ratelimit-reset-requests"] == "6ms"
    assert {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"} <= headers.keys()
    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-version"] == "2020-10-01"
    assert headers["openai-processing-ms"] == "0"


def test_the_processing_time_is_the_scripts() -> None:
    slow = script(top="[timing]\nfirst_token_ms = 40\ninter_token_ms = 5")
    assert dict(replied(chat(stream=True), slow).headers)["openai-processing-ms"] == "40"
    assert dict(replied(chat(), slow).headers)["openai-processing-ms"] == "50"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", {"retry-after": None, "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}),
        ("retry_after_s = 2", {"retry-after": "2", "retry-after-ms": None, "x-ratelimit-reset-requests": "2s"}),
        ("retry_after_ms = 50", {"retry-after-ms": "50", "x-ratelimit-reset-requests": "50ms"}),
        ("retry_after_s = 1\nretry_after_ms = 1500", {"retry-after": "1", "x-ratelimit-reset-requests": "1.5s"}),
        (
            'type = "tokens"',
            {
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-remaining-requests": "9999",
                "x-ratelimit-reset-tokens": "20s",
            },
        ),
        ('code = "insufficient_quota"', {"x-should-retry": "false"}),
    ],
)
def test_a_rate_limit_tells_when_to_come_again(keys: str, expected: dict[str, str | None]) -> None:
    headers = dict(failing(f"status = 429\n{keys}").headers)
    assert {name: headers.get(name) for name in expected} == expected


def test_other_failures_have_no_limits_in_their_headers() -> None:
    headers = dict(failing("status = 503\nretry_after_s = 1").headers)
    assert headers["retry-after"] == "1"
    assert not [name for name in headers if name.startswith("x-ratelimit") or name == "x-should-retry"]


@pytest.mark.parametrize(
    ("keys", "kind", "code", "words"),
    [
        ("status = 400", "invalid_request_error", None, "malformed"),
        ("status = 403", "invalid_request_error", "unsupported_country_region_territory", "not supported"),
        ("status = 404", "invalid_request_error", "model_not_found", "does not exist"),
        ("status = 409", "invalid_request_error", None, "updated by another request"),
        ("status = 422", "invalid_request_error", None, "Unable to process"),
        ('status = 429\ntype = "tokens"', "tokens", "rate_limit_exceeded", "tokens per min (TPM)"),
        ('status = 429\ncode = "insufficient_quota"', "insufficient_quota", "insufficient_quota", "current quota"),
        ("status = 502", "server_error", None, "Bad gateway"),
        ("status = 599", "server_error", None, "599"),
    ],
)
def test_each_status_has_its_error(keys: str, kind: str, code: str | None, words: str) -> None:
    error = whole(failing(keys))["error"]
    assert (error["type"], error["code"], error["param"]) == (kind, code, None)
    assert words in error["message"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("stream", [True, False])
def test_a_blocked_prompt_is_a_bad_request(path: str, stream: bool) -> None:
    blocked = script(top='blocked = "SAFETY"')
    body = BODIES[path] if path == EMBEDDINGS else {**BODIES[path], "stream": stream}
    reply = replied(body, blocked, path)
    assert reply.status == 400
    assert whole(reply)["error"]["code"] == "invalid_prompt"


@pytest.mark.parametrize(("path", "param"), [(CHAT, "messages"), (RESPONSES, "input")])
def test_an_unknown_scenario_is_told_in_a_header(path: str, param: str) -> None:
    body: dict[str, Any] = {"model": "m", "input": "scenario tini case c-1"}
    if path == CHAT:
        body = chat("scenario tini case c-1")
    reply = openai.read(request(body, path), script())
    assert isinstance(reply, Reply)
    assert reply.status == 400
    assert dict(reply.headers)["x-fake-unknown-scenario"] == "tini"
    error = whole(reply)["error"]
    assert (error["param"], error["code"]) == (param, "unknown_scenario")


@pytest.mark.parametrize("path", [CHAT, RESPONSES, EMBEDDINGS, "/v1/models", "/v1/models/gpt-4o"])
def test_every_path_wants_a_key(path: str) -> None:
    method = "GET" if path.startswith("/v1/models") else "POST"
    refusal = refused(b"{}", path, 401, method, authorization="")
    assert "You didn't provide an API key" in refusal["message"]
    assert refusal["type"] == "invalid_request_error"


def test_the_models() -> None:
    reply = openai.read(request(b"", "/v1/models", "GET"), {})
    assert isinstance(reply, Reply)
    models = whole(reply)["data"]
    assert {"gpt-4o", "text-embedding-3-small"} <= {model["id"] for model in models}
    one = openai.read(request(b"", "/v1/models/gpt-4o", "GET"), {})
    assert isinstance(one, Reply)
    assert whole(one) in models


def test_a_model_that_is_not_there_is_found_by_a_lenient_catalogue_alone() -> None:
    sent = request(b"", "/v1/models/gpt-9", "GET")
    lenient, strict = openai.read(sent, {}), openai.read(sent, {}, STRICT)
    assert isinstance(lenient, Reply)
    assert whole(lenient)["id"] == "gpt-9"
    assert isinstance(strict, Reply)
    assert strict.status == 404
    error = whole(strict)["error"]
    assert (error["param"], error["code"]) == ("model", "model_not_found")
    assert error["message"].startswith("The model 'gpt-9' does not exist. (The fakes are strict")


@pytest.mark.parametrize("path", ["/v1/models/a/b", "/v1/models/gemini-pro:generateContent", "/v1/chat", "/v1/models/"])
def test_other_paths_are_not_openais(path: str) -> None:
    assert not openai.answers(as_request("GET", path, {}, b""))


@pytest.mark.parametrize("path", BODIES)
def test_faults_work_on_every_path(path: str) -> None:
    assert replied(BODIES[path], script('[[steps]]\nfault = "status"\nstatus = 429'), path).status == 429
    stalled = replied(BODIES[path], script('[[steps]]\nfault = "stall"'), path)
    assert (stalled.status, stalled.end) == (None, "stall")
    for fault in ("close", "cut", "reset"):
        broken = replied(BODIES[path], script(f'[[steps]]\ntokens = ["a"]\n[[steps]]\nfault = "{fault}"'), path)
        assert (broken.status, broken.end, broken.faulted) == (200, fault, True)
        good = payload(replied(BODIES[path], script('[[steps]]\ntokens = ["a"]'), path))
        assert good.startswith(payload(broken) + broken.torn)
    garbage = replied(BODIES[path], script('[[steps]]\nfault = "garbage"'), path)
    assert garbage.status is None
    error = replied(BODIES[path], script('[[steps]]\ntokens = ["a"]\n[[steps]]\nfault = "error"'), path)
    assert (error.status, whole(error)["error"]["type"]) == (500, "server_error")


def test_a_content_filter_ends_a_reply() -> None:
    filtered = named('about = "x"\nfinish_reason = "content_filter"\n[[steps]]\ntokens = ["a"]')
    assert whole(replied(chat(), filtered))["choices"][0]["finish_reason"] == "content_filter"
