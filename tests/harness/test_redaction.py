"""One redaction: every kind of secret, by every way in which a text is kept or shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from chatproof.fake_providers.record.script_writer import Recording
from chatproof.harness.common import redaction
from chatproof.harness.common.redaction import (
    HIDDEN,
    clipped,
    clipped_start,
    conceal,
    redacted,
    redacted_headers,
    redacted_json,
    redacted_path,
    without_secrets,
)
from chatproof.harness.protocol.excerpts import shown, shown_part
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.evidence import SeenExchange, evidence
from chatproof.harness.report.failure_screen import screen
from chatproof.harness.report.markdown import _cell, _folded
from chatproof.harness.report.verdicts import Row, Verdict
from tests.protocol.kit import sse

S: Final = "hX9SECRET99q"
TOLD: Final = "told-correct-horse-battery"
JWT: Final = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.{S}"

KINDS: Final = {
    "OpenAI": f"key sk-proj-{S} is wrong",
    "as a provider repeats it": "Incorrect API key provided: sk-pro****SECRET99",
    "restricted": f"rk-{S}",
    "publishable": f"pk-{S}",
    "Hugging Face": f"hf_{S}",
    "Groq": f"gsk_{S}",
    "Google": f"AIzaSyA-01234{S}",
    "xAI": f"xai-{S}",
    "JWT": JWT,
    "Bearer": f"Bearer {S}",
    "Bearer, short": "Bearer SECRET99",
    "Basic": f"Basic {S}==",
    "URL": f"http://user:{S}@host:80/x",
    "URL, an @ in the password": f"http://user:p@{S}@host:80/x",
    "told": f"I heard {TOLD} SECRET99"[:-9],
}
NAMES: Final = (
    "Authorization",
    "Proxy-Authorization",
    "Cookie",
    "Set-Cookie",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "Ocp-Apim-Subscription-Key",
    "X-Auth",
    "X-Auth-Token",
    "X-Secret",
)
HEADERS: Final = {
    f"{name}, {form}": template.format(name=name, value=S)
    for name in NAMES
    for form, template in {
        "header line": "{name}: {value}\r\n",
        "repr": "{{'{name}': '{value}'}}",
        "repr of bytes": "[(b'{name}', b'{value}')]",
        "JSON": '{{"{name}": "{value}", "x": 1}}',
        "JSON in a string": '"{{\\"{name}\\": \\"{value}\\"}}"',
    }.items()
} | {
    "several cookies": f"Cookie: a=b; c={S}; d={S}",
    "Digest": f"Authorization: Digest username=x, response={S}",
}
FIELDS: Final = {
    text.replace(S, "…"): text
    for text in (
        f"GET /v1beta/models?key={S}&alt=sse",
        f"/x?alt=sse&sig={S}%3D",
        f"/x?token={S}",
        f"/x?X-Amz-Signature={S}",
        f"OPENAI_API_KEY={S}",
        f"JWT_SECRET={S}",
        f'{{"access_token": "{S}"}}',
        f"api_key {S}",
    )
}
ALL: Final = KINDS | HEADERS | FIELDS


@pytest.fixture(autouse=True)
def told() -> Iterator[None]:
    before = dict(redaction._known)
    conceal([TOLD, "", None, "tiny"])
    yield
    redaction._known.clear()
    redaction._known.update(before)
    redaction._clean_header.cache_clear()


def _recorded(text: str) -> str:
    recording = Recording(about=text)
    return recording.toml("close", 0.1)


def _screen(text: str) -> str:
    return screen(contract()["ERR-04"], Violation(text, text), sse([{"error": text}]))


def _picture(text: str) -> str:
    return json.dumps(evidence("test", SeenExchange(sse([{"error": text}]))).to_json())


WAYS: Final[dict[str, Callable[[str], str]]] = {
    "reports of suite and load tests": redacted,
    "recorded scripts": _recorded,
    "failure screen": _screen,
    "pictures": _picture,
    "Markdown": _cell,
    "an excerpt": lambda text: redacted(shown(text)),
    "the journal's headers": lambda text: redacted_headers({"x-other": text.strip()})["x-other"],
    "the journal's path": lambda text: redacted_path("/x", f"text={text.strip()}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_is_hidden_by_every_way(way: str) -> None:
    for kind, text in ALL.items():
        shown = WAYS[way](text)
        assert "SECRET99" not in shown, kind
        assert TOLD not in shown, kind
        assert "redacted" in shown, kind


def test_what_is_hidden_stays_as_it_is() -> None:
    for text in ALL.values():
        once = redacted(text)
        assert redacted(once) == once


def test_what_stands_around_a_secret_stays() -> None:
    assert redacted("Authorization: Bearer abc.def") == f"Authorization: Bearer {HIDDEN}"
    assert redacted("http://user:pw@host/x") == f"http://user:{HIDDEN}@host/x"
    assert redacted('{"api_key": "SECRET99", "model": "m"}') == f'{{"api_key": "{HIDDEN}", "model": "m"}}'
    assert redacted("GET /x?key=SECRET99&alt=sse") == f"GET /x?key={HIDDEN}&alt=sse"
    assert without_secrets("a\x1b[0m hunter2", ["hunter2"]) == f"a\x1b[0m {HIDDEN}"
    assert redacted("a\x1b[0m") == r"a\x1b[0m"


@pytest.mark.parametrize(
    "text",
    [
        "Access-Control-Allow-Headers lists authorization, content-type",
        "no Authorization header was sent",
        "the x-api-key header is missing",
        "the bearer of news",
        "Basic authentication is no basic example",
        "POST /api/chat/stream {'token': 'hello'}",
        "event: chat_token\ndata: {'max_tokens': 5, 'first_token': 12.5}",
        "two\nlines\tand a tab",
        "http://127.0.0.1:8000/x?alt=sse, mail@example.org",
        "a task-force of risk-takers asks skyscrapers",
        "the secret: there is none",
        "read 12 … of 40",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("form", [repr, json.dumps, quote])
def test_a_secret_that_was_told_is_hidden_in_its_escaped_forms(form: Callable[[str], str]) -> None:
    conceal(["pass\"word'ü"])
    text = form("pass\"word'ü")
    assert "word" not in redacted(text).lower()


# -- cuts

LONG: Final = "Zq7" * 20  # told: nothing about it looks like a secret


@pytest.mark.parametrize("secret", [LONG, f"sk-{S * 3}", JWT, f"Bearer {S * 3}", f"http://user:{'pw' * 9}@host"])
def test_a_secret_that_a_cut_goes_through_is_hidden(secret: str) -> None:
    conceal([LONG])
    tail = secret[-12:]
    for before in range(0, 90, 3):
        text = "x" * before + " " + secret + " y" * 200
        cut = clipped(text, 80)
        assert len(cut) <= 81
        assert not _left(cut, secret), cut
        assert not _left(redacted(shown(text, 80)), secret)
        end = clipped_start("y " * 200 + secret + " " + "x" * before, 80)
        assert tail not in end
        if secret == LONG:
            assert not _left(end, secret)
            assert not _left(redacted(shown_part(text, before + 20, before + 40)), secret)


def _left(text: str, secret: str) -> str:
    """A piece of the secret's own characters that the text still has."""
    own = secret.removeprefix("Bearer ").removeprefix("http://user:").removeprefix("sk-")
    pieces = (own[start : start + 6] for start in range(len(own) - 5))
    return next((piece for piece in pieces if piece in text), "")


@pytest.mark.parametrize("size", [140, 1_000, 80])
def test_no_report_shows_half_a_secret(size: int) -> None:
    """Each report cuts at its own width: a secret is put across every one."""
    conceal([LONG])
    for before in range(size - 90, size, 4):
        text = "x" * max(before, 0) + " " + LONG + " and more" * 200
        violated = Violation(text, text)
        reply = sse([{"error": text}])
        assert not _left(screen(contract()["ERR-04"], violated, reply), LONG)
        assert not _left(_picture(text), LONG)
    for before in (240, 260, 280, 299, 5_940, 5_960, 5_990):
        text = "x" * before + " " + LONG + " and more" * 200
        assert not _left(_cell(text), LONG)
        assert not _left(_folded(Row(contract()["ERR-04"], Verdict.VIOLATED, screens=(text,))), LONG)


SECRET_FIELDS: Final = (
    *(
        "api_key",
        "apiKey",
        "API-KEY",
        "x-api-key",
        "openai_api_key",
        "secret",
        "client_secret",
        "clientSecret",
        "secret_key",
    ),
    *("password", "Password", "db.password", "authorization", "X-Auth", "cookie", "Set-Cookie", "access_token"),
    *("accessToken", "refresh_token", "id_token", "auth_token", "bearer_token", "private_key", "passphrase"),
)
NO_SECRETS: Final = (
    "max_tokens",
    "prompt_cache_key",
    "key",
    "token",
    "monkey",
    "tokenizer",
    "name",
    "keys",
    "idtoken_count",
)


@pytest.mark.parametrize("name", SECRET_FIELDS)
def test_secret_fields_of_json_are_hidden(name: str) -> None:
    assert S not in json.dumps(redacted_json([{"a": [{name: S}]}, {name: [S]}]))
    assert redacted_json({name: S}) == {name: HIDDEN}


@pytest.mark.parametrize("name", NO_SECRETS)
def test_other_fields_of_json_stay(name: str) -> None:
    value = {name: "plain", "list": [{name: "plain"}, 1, None, True]}
    assert redacted_json(value) == value


@pytest.mark.parametrize("kind", KINDS)
def test_strings_in_json_are_redacted_as_everywhere(kind: str) -> None:
    value = {"messages": [{"role": "user", "content": KINDS[kind]}]}
    assert redacted_json(value)["messages"][0]["content"] == without_secrets(KINDS[kind])
    assert value["messages"][0]["content"] == KINDS[kind]  # what the fakes read stays what it is


def test_json_of_any_depth_is_redacted() -> None:
    deep: object = {"api_key": S}
    for _ in range(3_000):
        deep = [deep]
    assert S not in json.dumps(str(redacted_json(deep))[:1_000])


def test_it_is_fast_enough_for_reports_and_journals() -> None:
    """A megabyte of a report takes 0.1 s, a request's headers 5 µs: the bounds are far above what was measured."""
    line = 'event: chat_token\ndata: {"token": "hello ", "count": 12, "partial": "hello "}\n\n+20.0 ms  < a fox\n'
    text = line * (1_000_000 // len(line))
    headers = {"host": "127.0.0.1:1", "user-agent": "OpenAI/Python", "authorization": f"Bearer sk-{S}", "accept": "*/*"}
    begun = time.process_time()
    redacted(text)
    assert time.process_time() - begun < 2.0
    begun = time.process_time()
    for _ in range(10_000):
        redacted_headers(headers)
    assert time.process_time() - begun < 1.0


def test_nobody_else_hides_secrets() -> None:
    """No second pattern of a key anywhere: what one hides, all hide."""
    root = Path(redaction.__file__).resolve().parents[2]
    for folder in ("harness", "conformance", "fake_providers", "loadtests", "reference_server"):
        for path in (root / folder).rglob("*.py"):
            if path.name != "redaction.py":
                assert "AIza" not in path.read_text(encoding="utf-8"), path
