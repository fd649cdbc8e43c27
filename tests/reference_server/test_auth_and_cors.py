"""Who may see what: signed-in users, pages of other origins, proxies."""

import base64
import json
import time
from collections.abc import Generator, Sequence
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from chatproof.reference_server.app import create_app
from chatproof.reference_server.config import Config
from chatproof.reference_server.providers.http_provider import Usage
from chatproof.reference_server.sessions import ChatMessage

SECRET = "a-secret-of-more-than-thirty-two-characters"
ORIGIN = "https://chat.example"
ROUTES = ("/api/chat/stream", "/api/chat")


class Parrot:
    """Says all that it was told."""

    name = "parrot"

    def stream(self, messages: Sequence[ChatMessage], usage: Usage) -> Generator[list[str], None, None]:
        yield [f"[{message['content']}]" for message in messages]

    def close(self) -> None:
        pass


def client_of(**settings: Any) -> FlaskClient:
    config = Config(llm_provider="openai", **settings)
    return create_app(config, Parrot())[0].test_client()


def token(user: object = "ann", secret: str = SECRET, **claims: object) -> str:
    return jwt.encode({"sub": user, **claims}, secret, algorithm="HS256")


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def last_event(response: TestResponse) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(response.get_data(as_text=True).rsplit("data: ", 1)[1])
    return event


def part(value: dict[str, str] | str) -> str:
    """A part of a token: this JSON, or a text that is none."""
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unsigned() -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part({'sub': 'ann'})}."


def test_the_user_is_the_tokens() -> None:
    client = client_of(jwt_secret=SECRET)
    reply = client.post(ROUTES[0], json={"message": "hi"}, headers=bearer(token(exp=time.time() + 60)))
    assert last_event(reply)["user"] == "ann"
    assert client.post(ROUTES[1], json={"message": "hi"}, headers=bearer(token())).get_json()["user"] == "ann"
    assert client.post(ROUTES[1], json={"message": "hi"}).get_json()["user"] == "anonymous"


@pytest.mark.parametrize(
    "bad",
    [
        token(secret="another-secret-of-more-than-thirty-two"),
        token(exp=1),
        token(nbf=time.time() + 36_000),
        token()[:-2],
        token("")[:],
        token(7),
        jwt.encode({"name": "ann"}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": "ann"}, SECRET * 2, algorithm="HS512"),
        unsigned(),
        "rubbish",
        token(exp=float("inf")),
        token(nbf=float("nan")),
        f"{part('[' * 30_000)}.{part({'sub': 'ann'})}.x",
        "",
        "é",
    ],
)
def test_a_bad_token_is_refused_everywhere(bad: str) -> None:
    client = client_of(jwt_secret=SECRET)
    answers = [client.post(route, json={"message": "hi"}, headers=bearer(bad)) for route in ROUTES]
    answers += [client.open("/api/chat/sessions/a", method=method, headers=bearer(bad)) for method in ("GET", "DELETE")]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.get_json()["error"]
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_without_a_secret_tokens_mean_nothing() -> None:
    reply = client_of().post(ROUTES[0], json={"message": "hi"}, headers=bearer(token()))
    assert last_event(reply)["user"] == "anonymous"


def test_a_session_is_its_users_alone() -> None:
    client = client_of(jwt_secret=SECRET)
    ann, others = bearer(token("ann")), [bearer(token("bob")), {}, bearer(token("anonymous"))]
    client.post(ROUTES[1], json={"message": "my secret", "session_id": "s"}, headers=ann)
    for other in others:
        assert client.get("/api/chat/sessions/s", headers=other).status_code == 404
        assert client.delete("/api/chat/sessions/s", headers=other).status_code == 404
        reply = client.post(ROUTES[1], json={"message": "tell me", "session_id": "s"}, headers=other).get_json()
        assert reply["response"] == "[tell me]"
    assert client.get("/api/chat/sessions/s", headers=ann).get_json()["messages"] == 2
    assert client.delete("/api/chat/sessions/s", headers=ann).status_code == 200


def preflight(client: FlaskClient, origin: str, path: str = ROUTES[0]) -> TestResponse:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,authorization"}
    return client.options(path, headers={"Origin": origin, **asked})


def test_an_allowed_page_may_ask_and_read_also_errors() -> None:
    client = client_of(allowed_origins=(ORIGIN, "https://other.example"), stream_limit=2)
    granted = preflight(client, ORIGIN)
    assert granted.status_code == 200
    assert granted.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert granted.headers["Access-Control-Allow-Credentials"] == "true"
    assert "POST" in granted.headers["Access-Control-Allow-Methods"]
    assert {"authorization", "content-type"} <= set(granted.headers["Access-Control-Allow-Headers"].lower().split(", "))
    page = {"Origin": ORIGIN}
    answers = [client.post(ROUTES[0], json={"message": "hi"}, headers=page) for _ in range(3)]
    answers += [client.post(ROUTES[1], json={}, headers=page), client.get("/api/chat/sessions/none", headers=page)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 400, 404]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin", ["https://chat.example.evil.test", "https://evilchat.example", "null", "http://chat.example"]
)
def test_another_page_may_not(origin: str) -> None:
    client = client_of(allowed_origins=(ORIGIN,))
    answers = [preflight(client, origin), client.post(ROUTES[0], json={"message": "hi"}, headers={"Origin": origin})]
    for answer in answers:
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_with_a_star_all_pages_may_ask_but_for_nobody() -> None:
    answer = client_of(allowed_origins=("*",)).post(ROUTES[1], json={"message": "hi"}, headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(("proxies", "status"), [(0, 429), (1, 200)])
def test_a_forwarded_address_counts_behind_a_trusted_proxy_alone(proxies: int, status: int) -> None:
    client = client_of(trusted_proxies=proxies, stream_limit=1)
    # what a client writes itself stands before what its proxy adds
    headers = [{"X-Forwarded-For": f"198.51.100.9, 203.0.113.{number}"} for number in (1, 2)]
    first, second = (client.post(ROUTES[0], json={"message": "hi"}, headers=one) for one in headers)
    assert (first.status_code, second.status_code) == (200, status)
    again = client.post(ROUTES[0], json={"message": "hi"}, headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.2"})
    assert again.status_code == 429


@pytest.mark.parametrize("header", ["Basic YW5uOnB3", "Bearer", token(), f"Bearer {token(chr(0xD800))}"])
def test_a_credential_that_names_nobody_is_refused(header: str) -> None:
    """Another scheme, a scheme alone, a token without its scheme, and a user who is half a surrogate pair."""
    client = client_of(jwt_secret=SECRET)
    for route in ROUTES:
        answer = client.post(route, json={"message": "hello"}, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.json
        assert answer.json["error"]
