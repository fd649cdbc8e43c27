"""Which pages may use the server: what a browser sends of a page of another origin, and what it calls this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from chatproof.fake_providers.server.launcher import FakesProcess
from chatproof.reference_server.app import create_app
from chatproof.reference_server.config import Config
from tests.reference_server.kit import connect, running
from tests.reference_server.test_http import Echo

ALLOWED = "https://chat.example"
ROUTES = ("/api/chat/stream", "/api/chat")
NOT_ASKED_FIRST = (  # the types that any page may send without a preflight; None: no header at all
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    None,
)
BODY = json.dumps({"message": "Please say hello."})
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
PATHS = ("/", "/docs", "/health", "/openapi.json", "/playground/main.js", "/api/chat/sessions/a", "/nowhere", HANDSHAKE)


@pytest.fixture
def echo() -> Echo:
    return Echo()


def client_of(echo: Echo, **settings: Any) -> FlaskClient:
    return create_app(Config(llm_provider="openai", **settings), echo)[0].test_client()


@pytest.mark.parametrize("kind", NOT_ASKED_FIRST)
@pytest.mark.parametrize("route", ROUTES)
def test_a_type_that_needs_no_preflight_is_not_taken(echo: Echo, route: str, kind: str | None) -> None:
    """A page of another origin could send it, and spend the model's money."""
    client = client_of(echo, allowed_origins=(ALLOWED,))
    answer = client.post(route, data=BODY, content_type=kind)
    assert (answer.status_code, list(answer.get_json())) == (415, ["error"])
    refused = client.post(route, data=BODY, content_type=kind, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert echo.asked == []


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json;charset=UTF-8", "APPLICATION/JSON; charset=utf-8", "application/hal+json"],
)
def test_json_is_taken(echo: Echo, kind: str) -> None:
    assert client_of(echo).post(ROUTES[1], data=BODY, content_type=kind).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "https://chat.example.evil.example", "file://"]
)
@pytest.mark.parametrize("allowed", [(), (ALLOWED,)])
def test_a_page_of_another_origin_is_refused_and_told_the_setting(
    echo: Echo, origin: str, allowed: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Preflights too: so the browser's network tab says what is missing."""
    client, headers = client_of(echo, allowed_origins=allowed), {"Origin": origin}
    asked = {**headers, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answers = [client.post(route, json={"message": "hi"}, headers=headers) for route in ROUTES]
    answers += [client.options(route, headers=asked) for route in (*ROUTES, HANDSHAKE)]
    answers += [client.get(path, headers=headers) for path in PATHS]
    for answer in answers:
        assert answer.status_code == 403
        assert origin in answer.get_json()["error"]
        assert "ALLOWED_ORIGINS" in answer.get_json()["error"]
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert caplog.text.count("ALLOWED_ORIGINS") == len(answers)
    assert echo.asked == []


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:5000", "localhost:5000"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000"),
        ("http://[::1]:5000", "[::1]:5000"),
        ("https://chat.example", "127.0.0.1:5000"),
        ("https://chat.example", "chat.example"),
    ],
)
def test_its_own_pages_and_the_allowed_ones_may(echo: Echo, origin: str, host: str) -> None:
    client, headers = client_of(echo, allowed_origins=(ALLOWED,)), {"Origin": origin, "Host": host}
    assert client.post(ROUTES[0], json={"message": "hi"}, headers=headers).status_code == 200
    handshake = client.get(HANDSHAKE, headers=headers)
    assert handshake.status_code == 200
    assert handshake.headers["Access-Control-Allow-Origin"] == origin


def test_with_a_star_all_may(echo: Echo) -> None:
    client = client_of(echo, allowed_origins=("*",))
    for origin in ("https://any.example", "null"):
        assert client.post(ROUTES[0], json={"message": "hi"}, headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000", "localhost.evil.example", "10.0.0.1", "x@[::1"])
def test_a_host_that_a_stranger_may_own_is_refused(echo: Echo, host: str) -> None:
    """DNS rebinding: the page's own host name leads to this machine, so that the browser takes the server for it."""
    client, headers = client_of(echo), {"Host": host, "Origin": f"http://{host}"}
    for one in (headers, {"Host": host}):
        answers = [client.post(route, json={"message": "hi"}, headers=one) for route in ROUTES]
        for answer in [*answers, *(client.get(path, headers=one) for path in PATHS)]:
            assert answer.status_code == 403
            assert "TRUSTED_PROXIES" in answer.get_json()["error"]
            assert "ALLOWED_ORIGINS" in answer.get_json()["error"]
    assert echo.asked == []


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "localhost.:80", "app.localhost", "127.0.0.2", "[::1]:9"]
)
def test_names_of_this_machine_are_answered(echo: Echo, host: str) -> None:
    assert client_of(echo).get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "settings",
    [{"host": "0.0.0.0"}, {"host": "::"}, {"trusted_proxies": 1}, {"allowed_origins": ("https://chat.example:8443",)}],
)
def test_other_names_are_answered_where_the_server_may_have_them(echo: Echo, settings: dict[str, Any]) -> None:
    answer = client_of(echo, **settings).get("/health", headers={"Host": "chat.example:8443"})
    assert answer.status_code == 200


@pytest.fixture(scope="module")
def url(fakes: FakesProcess) -> Iterator[str]:
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": fakes.openai_base_url, "ALLOWED_ORIGINS": ALLOWED}
    with running(**environ) as (_, server):
        yield server


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1", "https://chat.example", 101),
        ("127.0.0.1", "http://127.0.0.1", 101),
        ("127.0.0.1", "https://evil.example", 403),
        ("127.0.0.1", "null", 403),
        ("evil.example", "http://evil.example", 403),
    ],
)
def test_the_handshake_of_a_websocket(url: str, host: str, origin: str, status: int) -> None:
    with connect(url) as client:
        client.sendall(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        answer = client.recv(65536)
        while status == 403 and (piece := client.recv(65536)):
            answer += piece
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert (b"ALLOWED_ORIGINS" in answer) == (status == 403)
