"""Azure's addresses: deployments, versions, keys, the content filter's results and the errors of a resource."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.fake_providers.dialects.azure.deployments import dated, model_behind
from chatproof.fake_providers.scripting.script import parse_script
from tests.fake_providers.routes_kit import AZURE, Provider

VERSION = "?api-version=2024-10-21"
CHAT = f"/openai/deployments/prod-chat/chat/completions{VERSION}"
V1 = "/openai/v1/chat/completions"


def said(text: str = "scenario three-tokens", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


@pytest.fixture
def azure() -> Provider:
    return Provider(AZURE)


@pytest.mark.parametrize(
    ("deployment", "path", "model"),
    [
        ("gpt-4o", "/v1/chat/completions", "gpt-4o"),
        ("team-gpt-4o-mini-eu", "/v1/chat/completions", "gpt-4o-mini"),
        ("gpt-35-turbo", "/v1/chat/completions", "gpt-3.5-turbo"),
        ("prod-chat", "/v1/chat/completions", "gpt-4o"),
        ("prod-search", "/v1/embeddings", "text-embedding-3-small"),
        ("missing-chat", "/v1/chat/completions", None),
    ],
)
def test_a_deployment_is_no_model_name(deployment: str, path: str, model: str | None) -> None:
    assert model_behind(deployment, path) == model


def test_replies_name_the_version_of_the_model(azure: Provider) -> None:
    reply = azure.post(CHAT, said()).json
    assert reply["model"] == dated("gpt-4o") == "gpt-4o-2024-11-20"
    assert azure.post(V1, said(model="prod-chat")).json["model"] == reply["model"]
    assert azure.post(V1, said(model="gpt-9-ours")).status == 200, "strict or not: names are their owners'"


def test_a_whole_reply_says_what_the_filter_found(azure: Provider) -> None:
    found = azure.post(CHAT, said())
    reply = found.json
    assert reply["choices"][0]["message"]["content"] == "Three small words."
    assert reply["choices"][0]["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}
    assert reply["prompt_filter_results"][0]["prompt_index"] == 0
    assert found.headers["x-ms-deployment-name"] == "prod-chat"
    assert {"apim-request-id", "x-ms-region", "x-request-id"} <= found.headers.keys()
    assert not any(name.startswith("openai-") for name in found.headers)


def test_a_stream_begins_with_a_chunk_without_choices(azure: Provider) -> None:
    first, role, *rest, done = azure.post(CHAT, said(stream=True)).events
    assert (first["choices"], first["id"], first["model"]) == ([], "", "")
    assert first["prompt_filter_results"][0]["content_filter_results"]["violence"]["severity"] == "safe"
    assert role["choices"][0]["content_filter_results"] == {}
    said_ = [chunk["choices"][0] for chunk in rest]
    assert "".join(choice["delta"].get("content", "") for choice in said_) == "Three small words."
    assert all(choice["content_filter_results"] for choice in said_[:-1])
    assert (said_[-1]["finish_reason"], said_[-1]["content_filter_results"]) == ("stop", {})
    assert done == "[DONE]"


def test_the_filter_ends_a_reply_and_refuses_a_prompt(azure: Provider) -> None:
    for name, toml in {
        "filtered": 'finish_reason = "content_filter"\n[[steps]]\ntext = "Well"',
        "blocked": 'blocked = "SAFETY"',
    }.items():
        azure.planner.library.register(parse_script(name, f'about = "x"\n{toml}'))
    choice = azure.post(CHAT, said("scenario filtered")).json["choices"][0]
    assert (choice["finish_reason"], choice["content_filter_results"]["violence"]["filtered"]) == (
        "content_filter",
        True,
    )
    last = azure.post(CHAT, said("scenario filtered", stream=True)).events[-2]["choices"][0]
    assert last["content_filter_results"]["violence"] == {"filtered": True, "severity": "high"}
    refused = azure.post(CHAT, said("scenario blocked"))
    error = refused.json["error"]
    assert (refused.status, error["code"], error["param"]) == (400, "content_filter", "prompt")
    assert error["innererror"]["code"] == "ResponsibleAIPolicyViolation"


@pytest.mark.parametrize(
    ("target", "body", "status", "code"),
    [
        (CHAT.replace("prod-chat", "no-such-chat"), said(), 404, "DeploymentNotFound"),
        (V1, said(model="missing-chat"), 404, "DeploymentNotFound"),
        (CHAT.replace(VERSION, ""), said(), 404, "404"),
        (CHAT.replace(VERSION, "?api-version=yesterday"), said(), 404, "404"),
        ("/openai/deployments/d/images/generations" + VERSION, {}, 404, "404"),
        ("/openai/threads" + VERSION, {}, 404, "404"),
        ("/openai", {}, 404, "404"),
        (CHAT.replace("prod-chat", "text-embedding-3-small"), said(), 400, "OperationNotSupported"),
        (CHAT, said(temperature=3), 400, "decimal_above_max_value"),
        (CHAT.replace("prod-chat", "my-gpt-5"), said(max_tokens=5), 400, "unsupported_parameter"),
    ],
)
def test_what_azure_refuses(azure: Provider, target: str, body: Any, status: int, code: str) -> None:
    found = azure.post(target, body)
    assert (found.status, found.json["error"]["code"]) == (status, code)
    if code == "404":
        assert "api-version" in found.json["error"]["message"]


def test_a_key_must_come_in_a_header_of_azure() -> None:
    for key in (("x-api-key", "k"), ("authorization", "Basic k"), ("api-key", " ")):
        found = Provider(key).post(CHAT, said())
        assert (found.status, found.json["error"]["code"]) == (401, "401")
    assert Provider(("authorization", "Bearer token-of-entra")).post(CHAT, said()).status == 200


def test_the_errors_of_scripts_have_azures_shape(azure: Provider) -> None:
    limited = azure.post(CHAT, said("scenario rate-limited"))
    assert (limited.status, limited.json["error"]["code"]) == (429, "429")
    assert "ChatCompletions_Create Operation" in limited.json["error"]["message"]
    assert "retry-after" in limited.headers
    for status, code in ((401, "401"), (404, "DeploymentNotFound"), (500, "InternalServerError")):
        toml = f'about = "x"\n[[steps]]\nfault = "status"\nstatus = {status}'
        azure.planner.library.register(parse_script("failing", toml))
        assert azure.post(CHAT, said("scenario failing")).json["error"]["code"] == code
    azure.planner.library.register(
        parse_script("ours", 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 429\ncode = "c"\nmessage = "m"')
    )
    assert azure.post(CHAT, said("scenario ours")).json == {"error": {"code": "c", "message": "m"}}


def test_the_other_apis(azure: Provider) -> None:
    embedded = azure.post(f"/openai/deployments/vectors/embeddings{VERSION}", {"input": "Hi"}).json
    assert (embedded["model"], len(embedded["data"][0]["embedding"])) == ("text-embedding-3-small", 1_536)
    text = azure.post(f"/openai/deployments/old/completions{VERSION}", {"prompt": ["scenario three-tokens"] * 2}).json
    assert [choice["text"] for choice in text["choices"]] == ["Three small words."] * 2
    assert len(text["prompt_filter_results"]) == 2
    made = azure.post(f"/openai/responses{VERSION}", {"model": "prod-chat", "input": "scenario three-tokens"}).json
    assert azure.get(f"/openai/responses/{made['id']}{VERSION}").json == made
    assert azure.get(f"/openai/v1/responses/{made['id']}").json == made
    listed = azure.get(f"/openai/models{VERSION}").json["data"]
    assert {"id": "gpt-4o", "object": "model"}.items() <= next(one for one in listed if one["id"] == "gpt-4o").items()
    assert azure.get("/openai/v1/models/gpt-4o").json["capabilities"]["chat_completion"] is True
    assert azure.get("/openai/v1/models/nobody").status == 404


def test_two_deployments_have_replies_of_their_own(azure: Provider) -> None:
    """The same request gives the same bytes; another deployment is another request."""
    first, again = azure.post(CHAT, said()), azure.post(CHAT, said())
    other = azure.post(CHAT.replace("prod-chat", "test-chat"), said())
    assert first.body == again.body == Provider(AZURE).post(CHAT, said()).body
    assert first.json["id"] != other.json["id"]
