"""Gemini's dialect beside generation: models, tokens, embeddings, whose request it is, and its JSON."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from chatproof.fake_providers.dialects.base import Reply
from chatproof.fake_providers.dialects.gemini import dialect as gemini
from chatproof.fake_providers.dialects.gemini.google_json import compact, duration, pretty
from chatproof.fake_providers.models.catalogue import LENIENT, STRICT, Catalogue
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.router import dialect_for
from tests.fake_providers.gemini_kit import (
    KEY,
    MODEL,
    SSE,
    payload,
    script,
)


def get(path: str, headers: dict[str, str] = KEY, catalogue: Catalogue = LENIENT) -> Any:
    reply = gemini.read(as_request("GET", path, headers, b""), {}, catalogue)
    assert isinstance(reply, Reply)
    return reply.status, json.loads(payload(reply))


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_models_are_listed_page_by_page(version: str) -> None:
    status, everything = get(f"/{version}/models")
    assert status == 200
    assert "nextPageToken" not in everything
    names, token = [], ""
    while True:
        _, page = get(f"/{version}/models?pageSize=2&pageToken={token}")
        assert len(page["models"]) <= 2
        names += [model["name"] for model in page["models"]]
        token = page.get("nextPageToken")
        if token is None:
            break
    assert names == [model["name"] for model in everything["models"]]
    assert get(f"/{version}/{names[0]}")[1] == everything["models"][0]
    assert get(f"/{version}/models?pageSize=-1")[0] == 400


def test_a_model_that_there_is_not_is_not_found() -> None:
    status, answer = get("/v1beta/models/gemini-99", catalogue=STRICT)
    assert (status, answer["error"]["status"]) == (404, "NOT_FOUND")
    assert get("/v1beta/models/gemini-99")[1]["name"] == "models/gemini-99"


def post(action: str, body: Any) -> tuple[int | None, Any, str | None]:
    reply = gemini.read(as_request("POST", f"/v1/models/m:{action}", KEY, json.dumps(body).encode()), script())
    assert isinstance(reply, Reply)
    return reply.status, json.loads(payload(reply)), reply.case


def contents(text: str) -> list[dict[str, Any]]:
    return [{"parts": [{"text": text}]}]


@pytest.mark.parametrize("wrap", [False, True])
def test_tokens_are_counted_by_modality_and_no_script_is_played(wrap: bool) -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}
    body: dict[str, Any] = {"contents": [{"parts": [{"text": "scenario tiny case c-1"}, image]}]}
    status, answer, case = post("countTokens", {"generateContentRequest": {"model": "m", **body}} if wrap else body)
    text = answer["promptTokensDetails"][0]["tokenCount"]
    assert (status, case, answer) == (
        200,
        "c-1",
        {
            "totalTokens": text + 258,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": text},
                {"modality": "IMAGE", "tokenCount": 258},
            ],
        },
    )


def test_embeddings_are_unit_vectors_of_their_text() -> None:
    _, one, _ = post("embedContent", {"content": {"parts": [{"text": "a"}]}})
    values = one["embedding"]["values"]
    assert len(values) == 3072
    assert sum(value * value for value in values) == pytest.approx(1)
    requests = [{"model": "models/m", "content": content, "outputDimensionality": 8} for content in contents("a")]
    _, batch, _ = post("batchEmbedContents", {"requests": [*requests, *requests]})
    assert [len(one["values"]) for one in batch["embeddings"]] == [8, 8]
    assert batch["embeddings"][0] == batch["embeddings"][1]


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("embedContent", {}, "EmbedContentRequest.content: content is not specified"),
        ("embedContent", {"content": contents("a")[0], "outputDimensionality": 5000}, "must be in the range"),
        ("batchEmbedContents", {}, "must hold 1 to 100 entries"),
        ("batchEmbedContents", {"requests": [{"content": contents("a")[0]}, {}]}, "requests[1].content"),
        ("countTokens", {}, "CountTokensRequest.contents: contents is not specified"),
        ("countTokens", {"contents": [{"parts": []}]}, "contents[0].parts: contents.parts must not be empty"),
    ],
)
def test_what_cannot_be_counted_or_embedded_is_refused(action: str, body: Any, words: str) -> None:
    status, answer, _ = post(action, body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert words in answer["error"]["message"]


# whose request it is


@pytest.mark.parametrize(
    ("target", "headers", "name"),
    [
        ("/v1beta/models", {}, "gemini"),
        ("/v1beta/models/m:generateContent", {}, "gemini"),
        ("/v1/models/m:generateContent", {}, "gemini"),
        ("/v1/models?key=k", {}, "gemini"),
        ("/v1/models", KEY, "gemini"),
        ("/v1/models", {"authorization": "Bearer k"}, "openai"),
        ("/v1/models", {}, "openai"),
    ],
)
def test_a_shared_path_goes_to_whose_key_it_carries(target: str, headers: dict[str, str], name: str) -> None:
    dialect = dialect_for(as_request("GET", target, headers, b""))
    assert dialect is not None
    assert name == dialect.NAME


async def test_it_is_served(http: httpx.AsyncClient) -> None:
    listed = await http.get("/v1/models", headers=KEY)
    assert listed.json()["models"][0]["name"] == "models/gemini-2.5-flash"
    sent = {"contents": contents("scenario three-tokens")}
    reply = await http.post(f"{MODEL}{SSE}&key=k", json=sent)
    assert reply.text.count("data: {") == 4


def test_json_is_written_as_google_does() -> None:
    assert compact({"a": [1, "<b>"]}) == '{"a": [1,"\\u003cb\\u003e"]}'
    assert compact("\x7f\x85\u200b\U000e0041😀é") == '"\\u007f\\u0085\\u200b\\udb40\\udc41😀é"'
    assert compact("é\u2028<", "raw") == '"é\u2028<"'
    assert compact("é\u2028<", "ascii") == '"\\u00e9\\u2028\\u003c"'
    assert pretty({"a": []}) == '{\n  "a": []\n}\n'


@pytest.mark.parametrize(("seconds", "text"), [(26, "26s"), (0.05, "0.050s"), (1.5, "1.500s"), (0, "0s")])
def test_durations_are_text(seconds: float, text: str) -> None:
    assert duration(seconds) == text
