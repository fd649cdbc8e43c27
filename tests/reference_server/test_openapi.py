"""The OpenAPI description: true to the routes, and to what a running server answers, good requests or bad."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import jwt
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, settings

from chatproof.fake_providers.server.launcher import FakesProcess
from chatproof.reference_server.app import create_app
from chatproof.reference_server.chat_request import MAX_MESSAGE_CHARS
from chatproof.reference_server.config import Config
from chatproof.reference_server.http_api import MAX_BODY_BYTES
from chatproof.reference_server.pages import FOLDER
from chatproof.reference_server.providers import PROVIDERS
from tests.reference_server.kit import connect, running

DOCUMENT: dict[str, Any] = json.loads(FOLDER.with_name("openapi.json").read_text(encoding="utf-8"))
SECRET = "long-enough-for-HS256-and-for-tests-alone"
PAGES = {"/", "/docs", "/playground/<name>"}  # for people
BOUNDED = settings(
    max_examples=40,
    derandomize=True,  # the same requests in every run
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def url(fakes: FakesProcess) -> Iterator[str]:
    """A server with high rate limits and a JWT secret."""
    limits = {"STREAM_LIMIT": "1000000", "CHAT_LIMIT": "1000000"}
    with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=fakes.openai_base_url, JWT_SECRET=SECRET, **limits) as (_, server):
        yield server


def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    """Of one of the description's schemas."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def events(body: str) -> list[dict[str, Any]]:
    """The events of a body; every line has to be one, a comment, or blank."""
    lines = [line for line in body.split("\n") if line and not line.startswith(":")]
    assert all(line.startswith("data: ") for line in lines), body
    return [json.loads(line[6:]) for line in lines]


def check_stream(body: str) -> None:
    found = events(body)
    for event in found:
        validator("Event").validate(event)
    assert [("token" in event) for event in found] == [True] * (len(found) - 1) + [False]


# Schemathesis stops reading a stream after 20 events, unless told otherwise; the fakes' replies have about as many.
described = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict({"max-stream-events": 1000}))


def test_the_server_serves_its_description(url: str) -> None:
    assert httpx.get(f"{url}/openapi.json", trust_env=False).json() == DOCUMENT


# All of Schemathesis's checks; none is left out. Those for chains of requests have nothing to follow here.
@described.parametrize()
@BOUNDED
def test_what_the_server_answers_is_described(case: Any, url: str) -> None:
    """No 5xx, no status, type or body that is not described; good requests are accepted, bad ones refused."""
    response = case.call_and_validate(base_url=url, timeout=10)
    if response.headers["content-type"][0].startswith("text/event-stream"):
        check_stream(response.content.decode())


def test_every_route_is_described_and_no_other() -> None:
    config = Config(llm_provider="openai", openai_api_key="k")
    app: Flask = create_app(config, PROVIDERS[config.llm_provider](config))[0]
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule not in PAGES
    }
    methods = {"get", "put", "post", "delete", "patch"}
    assert routes == {(path, key) for path, item in DOCUMENT["paths"].items() for key in item if key in methods}


def test_the_bounds_are_the_defaults() -> None:
    config = Config()
    ask = DOCUMENT["components"]["schemas"]["Ask"]["properties"]
    assert ask["message"]["maxLength"] == MAX_MESSAGE_CHARS
    assert f"{MAX_BODY_BYTES:,} bytes" in DOCUMENT["components"]["responses"]["TooLarge"]["description"]
    paths = DOCUMENT["paths"]
    assert f"{config.stream_limit} requests" in paths["/api/chat/stream"]["post"]["description"]
    assert f"{config.chat_limit} requests" in paths["/api/chat"]["post"]["description"]


@pytest.mark.parametrize(
    "message", ["", " ", "\x1c\x1f", "\x85", "\u2003\u3000", "\ufeff", "\u200b", "\0", "x", "x" * 32_000, "x" * 32_001]
)
@pytest.mark.parametrize("session_id", [None, "", " ", "x" * 512, "x" * 513])
def test_the_schema_draws_the_line_where_the_server_does(url: str, message: str, session_id: str | None) -> None:
    ask = {"message": message, "session_id": session_id}
    status = httpx.post(f"{url}/api/chat", json=ask, trust_env=False).status_code
    assert validator("Ask").is_valid(ask) == (status == 200)


@pytest.mark.parametrize("script", ["hello", "nasty", "drop-start", "drop-mid", "rate-limited", "garbage"])
def test_events_keep_their_schema_whatever_the_provider_does(url: str, script: str) -> None:
    response = httpx.post(f"{url}/api/chat/stream", json={"message": f"scenario {script}"}, trust_env=False)
    check_stream(response.text)


def check(response: httpx.Response, path: str, method: str, status: int) -> None:
    """That an answer is the one that is described for its status."""
    assert response.status_code == status
    answer = DOCUMENT["paths"][path][method]["responses"][str(status)]
    if "$ref" in answer:
        answer = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    assert response.headers["content-type"].partition(";")[0] in answer["content"]
    for name, header in answer.get("headers", {}).items():
        text = response.headers[name]
        value = int(text) if header["schema"].get("type") == "integer" else text
        jsonschema_rs.validate(header["schema"], value)
    reference = answer["content"]["application/json"]["schema"]["$ref"]
    validator(reference.rpartition("/")[2]).validate(response.json())


@pytest.mark.parametrize("path", ["/api/chat/stream", "/api/chat"])
def test_refusals_are_as_described(url: str, path: str) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
        is_json = {"Content-Type": "application/json"}
        check(client.post(path, content=b"{", headers=is_json), path, "post", 400)
        forged = {"Authorization": "Bearer a.b.c"}
        check(client.post(path, json={"message": "hi"}, headers=forged), path, "post", 401)
        stranger = {"Origin": "https://evil.example"}
        check(client.post(path, json={"message": "hi"}, headers=stranger), path, "post", 403)
        check(client.post(path, content=b" " * 1_000_001, headers=is_json), path, "post", 413)
        check(client.post(path, content=b'{"message": "hi"}'), path, "post", 415)


def test_answers_of_sessions_are_as_described(url: str) -> None:
    path = "/api/chat/sessions/{session_id}"
    token = jwt.encode({"sub": "ada", "exp": time.time() + 60}, SECRET, algorithm="HS256")
    with httpx.Client(base_url=url, trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
        reply = client.post("/api/chat", json={"message": "hi", "session_id": "described"})
        check(reply, "/api/chat", "post", 200)
        assert reply.json()["user"] == "ada"
        check(client.get("/api/chat/sessions/described"), path, "get", 200)
        check(httpx.get(f"{url}/api/chat/sessions/described", trust_env=False), path, "get", 404)
        check(client.delete("/api/chat/sessions/described"), path, "delete", 200)
        check(client.delete("/api/chat/sessions/described"), path, "delete", 404)
        forged = {"Authorization": "Bearer x"}
        check(client.get("/api/chat/sessions/described", headers=forged), path, "get", 401)


def unfinished(url: str) -> httpx.Response:
    """The answer to a request whose body stops coming."""
    with connect(url) as client:
        head = b"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        client.sendall(head + b'Content-Length: 10\r\n\r\n{"m')
        head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    return httpx.Response(int(status.split()[1]), headers=dict(one.split(": ", 1) for one in headers), content=body)


def test_a_failure_a_slow_request_and_one_too_many_are_as_described() -> None:
    """A provider that cannot be reached, and limits that are soon reached."""
    limits = {"STREAM_LIMIT": "2", "CHAT_LIMIT": "2", "REQUEST_TIMEOUT": "0.5"}
    with (
        running(OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:9/v1", **limits) as (_, url),
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        check(unfinished(url), "/api/chat", "post", 408)
        for _ in range(2):
            check(client.post("/api/chat", json={"message": "hi"}), "/api/chat", "post", 502)
        check(client.post("/api/chat", json={"message": "hi"}), "/api/chat", "post", 429)
        stream = [client.post("/api/chat/stream", json={"message": "hi"}) for _ in range(3)]
        check(stream[-1], "/api/chat/stream", "post", 429)
