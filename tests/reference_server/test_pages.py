"""The playground's files as the server sends them; tests/browser has the page itself."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from chatproof.reference_server.pages import FOLDER, add_pages

FILES = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("test", static_folder=None)
    add_pages(app)
    return app.test_client()


@pytest.mark.parametrize("name", FILES)
def test_each_file_has_its_type_and_may_not_be_taken_for_another(client: FlaskClient, name: str) -> None:
    types = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    with client.get(f"/playground/{name}") as response:
        assert response.status_code == 200
        assert response.mimetype == types[name.rpartition(".")[2]]
        assert response.data == (FOLDER / name).read_bytes()
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-cache"


def test_the_page_may_load_nothing_from_elsewhere(client: FlaskClient) -> None:
    with client.get("/") as response:
        policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
        assert response.mimetype == "text/html"
        assert policy["default-src"] == "'self'"
        assert policy["connect-src"] == "'self' ws: wss:"
        assert not {"script-src", "style-src"} & set(policy), "the default is the strictest"


def test_the_page_asks_again_only_whether_its_files_have_changed(client: FlaskClient) -> None:
    with client.get("/") as first, client.get("/", headers={"If-None-Match": first.headers["ETag"]}) as second:
        assert second.status_code == 304


def test_all_that_the_files_refer_to_is_served(client: FlaskClient) -> None:
    for name in FILES:
        text = (FOLDER / name).read_text(encoding="utf-8")
        parts = re.findall(r'(?:src|href)="playground/([^"]+)"', text) + re.findall(r'from "\./([^"]+)"', text)
        assert set(parts) <= set(FILES), name
        assert not re.findall(r"(?:src|href|from|url\()\W{0,2}(?:https?:)?//", text), f"{name} refers to another host"


@pytest.mark.parametrize(
    "name", ["nothing.js", "..", "../pages.py", "%2e%2e/pages.py", "..%2fpages.py", ".", "a/b", "%00"]
)
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    with client.get(f"/playground/{name}") as response:
        assert response.status_code == 404
