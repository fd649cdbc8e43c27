"""The OpenAI-compatible paths of local servers when something is wrong: each product's own error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatproof.fake_providers.planning.http_writes import plan_writes
from tests.fake_providers.local_kit import PRODUCTS, STATUSES, asked, payload, refused, replied, said, script

PATH = "/v1/chat/completions"

SHAPES: dict[str, Any] = {
    "vllm": {"message", "type", "param", "code"},
    "llamacpp": {"code", "message", "type"},
    "lmstudio": {"message", "type", "param", "code"},
    "ollama": {"message", "type", "param", "code"},
}


def at(product: str, path: str = PATH) -> str:
    return f"/{product}{path}"


def _error(product: str, answer: Any, status: int) -> dict[str, Any]:
    assert answer.keys() == {"error"}
    error = answer["error"]
    if product == "vllm" and status == 401:
        assert error == "Unauthorized"
        return {}
    assert error.keys() == SHAPES[product]
    if product in ("vllm", "llamacpp"):
        assert error["code"] == status
    return dict(error)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("product", PRODUCTS)
def test_statuses_have_the_products_error(product: str, status: int, stream: bool) -> None:
    fault = f'[[steps]]\nfault = "status"\nstatus = {status}\nretry_after_ms = 20'
    reply = replied(at(product), said(stream=stream), script(fault))
    assert (reply.status, reply.faulted) == (status, True)
    assert ("retry-after-ms", "20") in reply.headers
    _error(product, json.loads(payload(reply)), status)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "Invalid JSON body"),
        (b"[]", 400, "not an object"),
        (said(messages=[]), 400, "messages"),
        (said(temperature="hot"), 400, "temperature"),
        (said(n=2), 400, "Only one completion choice"),
        (said("scenario tini"), 400, "Unknown scenario 'tini'. Did you mean 'tiny'?"),
        (said(model=5), 400, "model"),
    ],
)
@pytest.mark.parametrize("product", PRODUCTS)
def test_bad_requests_have_the_products_error(product: str, body: Any, status: int, words: str) -> None:
    error = _error(product, refused(at(product), body, status), status)
    assert words in error["message"]


@pytest.mark.parametrize("product", [product for product in PRODUCTS if product != "llamacpp"])
def test_a_model_that_is_not_there_is_404(product: str) -> None:
    for path in (PATH, "/v1/embeddings"):
        body = said(model="missing") if path == PATH else {"model": "missing", "input": "x"}
        error = _error(product, refused(at(product, path), body, 404), 404)
        assert "missing" in error["message"]


@pytest.mark.parametrize("product", ["llamacpp", "lmstudio", "vllm"])
def test_who_serves_one_model_needs_no_name(product: str) -> None:
    body = said()
    del body["model"]
    assert asked(at(product), body).model
    assert "model" in _error("ollama", refused(at("ollama"), body, 400), 400)["message"]


def test_parameters_of_their_own_are_accepted() -> None:
    own: dict[str, Any] = {
        "top_k": 5,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "chat_template_kwargs": {},
        "ignore_eos": True,
    }
    for product in PRODUCTS:
        assert asked(at(product), said(**own)).scenario == "tiny"


def test_an_error_in_the_stream_is_as_the_product_writes_it() -> None:
    fault = '[[steps]]\ntokens = ["a"]\n[[steps]]\nfault = "error"\nmessage = "lost"'
    last = {
        product: payload(replied(at(product), said(stream=True), script(fault))).decode().split('"a"')[1].split("\n\n")
        for product in PRODUCTS
    }
    assert last["vllm"][1:] == [
        'data: {"error":{"message":"lost","type":"InternalServerError","param":null,"code":500}}',
        "data: [DONE]",
        "",
    ]
    assert last["llamacpp"][1:] == ['data: {"error":{"code":500,"message":"lost","type":"server_error"}}', ""]
    assert last["ollama"][1:] == ['data: {"error":{"message":"lost","type":"api_error","param":null,"code":null}}', ""]
    assert last["lmstudio"][1].startswith('event: error\ndata: {"error":{"message":"lost"')


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", ["stall", "close", "cut", "reset", "malformed"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_faults_end_as_they_should(product: str, fault: str, stream: bool) -> None:
    reply = replied(at(product), said(stream=stream), script(f'[[steps]]\ntext = "a"\n[[steps]]\nfault = "{fault}"'))
    assert reply.faulted
    assert reply.end == ("complete" if fault == "malformed" else fault)
    assert plan_writes(reply, True, True).writes or reply.status is None
    assert not {b"\x00", b"\x01"} & {bytes([byte]) for byte in payload(reply) + reply.torn}
