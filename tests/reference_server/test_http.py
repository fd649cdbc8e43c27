"""The HTTP routes with a provider that lives in the test: replies, refusals, sessions, limits."""

import json
from collections.abc import Generator, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from chatproof.reference_server.app import create_app
from chatproof.reference_server.chat_request import MAX_MESSAGE_CHARS
from chatproof.reference_server.config import Config
from chatproof.reference_server.generation import NOT_REACHED
from chatproof.reference_server.http_api import MAX_BODY_BYTES
from chatproof.reference_server.providers.http_provider import ProviderError, ProviderRefused, Usage
from chatproof.reference_server.rate_limits import RateLimits
from chatproof.reference_server.redis_sessions import RedisSessions
from chatproof.reference_server.sessions import ChatMessage, ChatSession


class Echo:
    """Says the number of messages it got and the last of them; fails on request."""

    name = "echo"

    def __init__(self) -> None:
        self.asked: list[list[ChatMessage]] = []

    def stream(self, messages: Sequence[ChatMessage], usage: Usage) -> Generator[list[str], None, None]:
        self.asked.append(list(messages))
        yield [f"{len(messages)}:"]
        if messages[-1]["content"] == "fail":
            raise ProviderError("It failed.")
        if messages[-1]["content"] == "refuse":
            raise ProviderRefused("It refused.", 429)
        if messages[-1]["content"] == "crash":
            raise RuntimeError("/srv/secret.py")
        yield [messages[-1]["content"]]

    def close(self) -> None:
        pass


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def client(echo: Echo) -> FlaskClient:
    return create_app(Config(llm_provider="openai"), echo)[0].test_client()


def events(response: TestResponse) -> list[dict[str, Any]]:
    blocks = response.get_data(as_text=True).split("\n\n")
    return [json.loads(block.removeprefix("data: ")) for block in blocks if block.startswith("data: ")]


def stream(client: FlaskClient, message: str, session_id: str | None = None) -> list[dict[str, Any]]:
    response = client.post("/api/chat/stream", json={"message": message, "session_id": session_id})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    return events(response)


def test_a_reply_is_its_tokens_and_one_completion(client: FlaskClient) -> None:
    *tokens, done = stream(client, "hi", "a")
    assert tokens == [
        {"token": "1:", "count": 1, "partial": "1:"},
        {"token": "hi", "count": 2, "partial": "1:hi"},
    ]
    assert done["done"] is True
    assert done["tokens"] == 2
    assert done["full_response"] == "1:hi"
    assert done["user"] == "anonymous"
    assert done["tokens_per_second"] == round(2 / done["duration"], 2)


def test_a_session_remembers_until_it_is_deleted(client: FlaskClient, echo: Echo) -> None:
    stream(client, "one", "a")
    stream(client, "two", "a")
    assert [message["content"] for message in echo.asked[-1]] == ["one", "1:one", "two"]
    shown = client.get("/api/chat/sessions/a").get_json()
    assert (shown["session_id"], shown["messages"]) == ("a", 4)
    deleted = client.delete("/api/chat/sessions/a")
    assert deleted.get_json() == {"success": True, "message": "Session deleted"}
    assert client.get("/api/chat/sessions/a").status_code == 404
    assert client.delete("/api/chat/sessions/a").get_json().keys() == {"error"}
    stream(client, "three", "a")
    assert len(echo.asked[-1]) == 1


def test_asks_without_a_session_share_none(client: FlaskClient, echo: Echo) -> None:
    first, second = stream(client, "one")[-1], stream(client, "two")[-1]
    assert len(echo.asked[-1]) == 1
    assert first["session_id"] != second["session_id"]


@pytest.mark.parametrize(
    "session_id",
    ["a b", "a.b", "..", "../x", "/a", "a//b", "a/", "é", "日本", "x" * 256, "a\nb", "\0", "%2F", "a?b", "#"],
)
def test_odd_ids_are_ids(client: FlaskClient, session_id: str) -> None:
    stream(client, "hi", session_id)
    response = client.get("/api/chat/sessions/" + quote(session_id, safe=""))
    assert response.get_json()["session_id"] == session_id


def test_a_failed_reply_ends_in_an_error_and_leaves_nothing(client: FlaskClient, echo: Echo) -> None:
    assert stream(client, "fail", "a")[-1] == {"error": "It failed."}
    assert client.post("/api/chat", json={"message": "fail", "session_id": "a"}).status_code == 502
    assert client.get("/api/chat/sessions/a").get_json()["messages"] == 0
    stream(client, "hi", "a")
    assert len(echo.asked[-1]) == 1


def test_a_crash_shows_nothing_of_the_inside(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    assert stream(client, "crash")[-1] == {"error": "The server failed to answer."}
    assert "secret.py" in caplog.text


def test_chat_answers_in_one_piece(client: FlaskClient) -> None:
    reply = client.post("/api/chat", json={"message": "hi"}).get_json()
    assert reply["response"] == "1:hi"
    assert reply["tokens"] == 2


@pytest.mark.parametrize("route", ["/api/chat/stream", "/api/chat"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"hi"',
        b"{}",
        b'{"message": null}',
        b'{"message": 5}',
        b'{"message": ""}',
        b'{"message": " \\n"}',
        b'{"message": "\xff"}',
        b'{"message": "\\ud800"}',
        b'{"message": "hi", "session_id": "\\ud800"}',
        b'{"message": "hi", "session_id": 7}',
        b'{"message": "hi", "session_id": ""}',
        json.dumps({"message": "hi", "session_id": "x" * 513}).encode(),
        json.dumps({"message": "x" * (MAX_MESSAGE_CHARS + 1)}).encode(),
        '{"message": "hi"}'.encode("utf-16"),
        b"[" * 100_000,
    ],
)
def test_bad_requests_are_refused(client: FlaskClient, echo: Echo, route: str, body: bytes) -> None:
    response = client.post(route, data=body, content_type="application/json")
    assert response.status_code == 400
    assert response.get_json()["error"]
    assert echo.asked == []


def test_a_huge_body_is_refused(client: FlaskClient) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    response = client.post("/api/chat/stream", data=body, content_type="application/json")
    assert response.status_code == 413
    assert response.get_json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/chat/stream", 405), ("PUT", "/api/chat", 405), ("GET", "/nowhere", 404)],
)
def test_other_requests_are_refused_in_json(client: FlaskClient, method: str, path: str, status: int) -> None:
    response = client.open(path, method=method)
    assert response.status_code == status
    assert response.get_json()["error"]


@pytest.mark.parametrize(("route", "limit"), [("/api/chat/stream", 30), ("/api/chat", 60)])
def test_each_route_has_its_own_limit(client: FlaskClient, echo: Echo, route: str, limit: int) -> None:
    def post(forwarded: str = "", address: str = "127.0.0.1") -> TestResponse:
        return client.post(
            route,
            json={"message": "hi"},
            headers={"X-Forwarded-For": forwarded},
            environ_overrides={"REMOTE_ADDR": address},
        )

    assert client.options(route).status_code == 200
    answers = [post() for _ in range(limit)]
    assert [one.status_code for one in answers] == [200] * limit
    assert not any("Retry-After" in one.headers for one in answers)
    asked = len(echo.asked)
    refused = post(forwarded="10.0.0.1")
    assert refused.status_code == 429
    assert refused.get_json()["error"]
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert len(echo.asked) == asked
    assert post(address="127.0.0.2").status_code == 200
    other = "/api/chat" if route == "/api/chat/stream" else "/api/chat/stream"
    assert client.post(other, json={"message": "hi"}).status_code == 200


@pytest.mark.parametrize("away", ["at once", "in the middle"])
def test_while_redis_is_away_each_route_answers_503_and_nobody_pays(
    echo: Echo, away: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing listens at that URL. Away in the middle: after the reply, when the exchange is to be kept."""
    caplog.set_level("INFO")
    if away == "in the middle":
        monkeypatch.setattr(RateLimits, "check", lambda *_: None)
        monkeypatch.setattr(RedisSessions, "open", lambda _, name: ChatSession(name))
    client = create_app(Config(llm_provider="openai", redis_url="redis://127.0.0.1:1"), echo)[0].test_client()
    answers = [client.get("/api/chat/sessions/a"), client.post("/api/chat", json={"message": "hi"})]
    streamed = client.post("/api/chat/stream", json={"message": "hi"})
    if away == "at once":
        answers.append(streamed)
        assert echo.asked == []
        assert "tokens in" not in caplog.text
    else:
        assert events(streamed)[-1] == {"error": NOT_REACHED}
        assert caplog.text.count("tokens in") == 2
    for answer in answers:
        assert (answer.status_code, answer.get_json()) == (503, {"error": NOT_REACHED})


def test_a_reply_that_the_provider_did_not_begin_is_not_paid(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    stream(client, "refuse")
    assert "tokens in" not in caplog.text
    stream(client, "fail")
    assert caplog.text.count("tokens in") == 1


def test_health(client: FlaskClient) -> None:
    assert client.get("/health").get_json() == {"status": "ok", "provider": "openai", "offline": False}
