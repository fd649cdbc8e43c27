"""OpenAI's embeddings: what the vectors promise, how they are written, what is refused."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import pytest

from chatproof.fake_providers.dialects.base import Ask
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.vectors import vector
from chatproof.fake_providers.models.catalogue import model_of
from tests.fake_providers.openai_kit import EMBEDDINGS, asked, payload, refused, replied, request, script, whole

SMALL = "text-embedding-3-small"
MODEL = model_of("openai", SMALL)


def body(given: Any = "Hello world", **more: Any) -> dict[str, Any]:
    return {"model": SMALL, "input": given, **more}


def embedded(given: Any = "Hello world", **more: Any) -> list[Any]:
    answer = whole(replied(body(given, **more), path=EMBEDDINGS))
    assert [one["index"] for one in answer["data"]] == list(range(len(answer["data"])))
    return [one["embedding"] for one in answer["data"]]


def cosine(one: str, other: str) -> float:
    return math.fsum(a * b for a, b in zip(vector(one, MODEL), vector(other, MODEL), strict=True))


@pytest.mark.parametrize("dimensions", [None, 1, 2, 256, 1536])
@pytest.mark.parametrize("text", ["a", "Hello world", " ", "é" * 500, (1, 2, 3)])
def test_vectors_have_length_one_and_never_change(text: str | tuple[int, ...], dimensions: int | None) -> None:
    found = vector(text, MODEL, dimensions)
    assert len(found) == dimensions or len(found) == 1536
    assert math.isclose(math.fsum(one * one for one in found), 1.0, rel_tol=1e-9)
    assert found == vector(text, MODEL, dimensions)
    assert all(found) or dimensions is not None


def test_the_vector_of_a_text_is_a_constant() -> None:
    """Golden: saved vectors of a user's tests stay good from release to release."""
    assert [round(one, 6) for one in vector("Hello world", MODEL)[:4]] == [0.002667, -0.000816, 0.004063, 0.004383]


def test_texts_that_share_words_are_near_each_other() -> None:
    near = cosine("The weather in Paris is fine", "What is the weather in Paris?")
    far = cosine("The weather in Paris is fine", "Semaphores order threads")
    assert near > 0.7
    assert abs(far) < 0.2
    assert 0.9 < cosine("one two", "two one") < 1.0
    assert vector("Hello", model_of("openai", "text-embedding-ada-002")) != vector("Hello", MODEL)


def test_fewer_dimensions_are_the_beginning_made_a_unit_again() -> None:
    whole_one, short = vector("Hello world", MODEL), vector("Hello world", MODEL, 8)
    length = math.sqrt(math.fsum(one * one for one in whole_one[:8]))
    assert short == pytest.approx([one / length for one in whole_one[:8]])


@pytest.mark.parametrize(("model", "size"), [(SMALL, 1536), ("text-embedding-3-large", 3072), ("any", 1536)])
def test_models_have_their_sizes(model: str, size: int) -> None:
    (found,) = embedded(model=model)
    assert len(found) == size


def test_base64_and_floats_are_the_same_vector() -> None:
    (floats,), (packed,) = embedded(encoding_format="float"), embedded(encoding_format="base64")
    decoded = base64.b64decode(packed)
    assert list(struct.unpack(f"<{len(decoded) // 4}f", decoded)) == [
        struct.unpack("<f", struct.pack("<f", one))[0] for one in floats
    ]
    assert embedded() == [floats]


def test_one_vector_for_each_input_in_order() -> None:
    both = embedded(["Hello world", "other"])
    assert both == [*embedded("Hello world"), *embedded("other")]
    assert embedded([5, 6]) == embedded([[5, 6]])
    assert len(embedded([[5], [6]])) == 2


def test_usage_counts_the_inputs() -> None:
    answer = whole(replied(body(["Hello world", "other"]), path=EMBEDDINGS))
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert whole(replied(body([5, 6, 7]), path=EMBEDDINGS))["usage"]["prompt_tokens"] == 3


def test_prose_with_the_word_scenario_is_no_script() -> None:
    ask = openai.read(request(body("In this scenario nobody wins."), EMBEDDINGS), script())
    assert isinstance(ask, Ask)
    assert ask.script.name == ""
    assert openai.render(ask).status == 200


def test_a_scripts_time_is_the_answers() -> None:
    slow = script(top="[timing]\nfirst_token_ms = 30")
    reply = replied(body("scenario tiny case e-1"), slow, EMBEDDINGS)
    assert reply.head_due == 0.03
    assert asked(body("scenario tiny case e-1"), slow, EMBEDDINGS).case == "e-1"
    assert payload(reply) == payload(replied(body("scenario tiny case e-1"), path=EMBEDDINGS))


@pytest.mark.parametrize(
    ("sent", "param", "words"),
    [
        ({"input": "a"}, "model", "model parameter"),
        ({"model": 5, "input": "a"}, "model", "expected a string"),
        ({"model": SMALL}, "input", "Missing required parameter"),
        (body(5), "input", "one of a string, array of strings"),
        (body(""), "input", "empty"),
        (body([]), "input", "empty"),
        (body(["a", ""]), "input[1]", "empty"),
        (body(["a", 5]), "input[1]", "expected a string, but got an integer"),
        (body([5, "a"]), "input[0]", "array of integers"),
        (body([True]), "input[0]", "array of integers"),
        (body([[5], "a"]), "input[1]", "array of integers"),
        (body([[-5]]), "input[0]", "array of integers"),
        (body(["a"] * 2049), "input", "more than 2048"),
        (body(dimensions=0), "dimensions", "Expected a value >= 1"),
        (body(dimensions=1537), "dimensions", "Expected a value <= 1536"),
        (body(dimensions="8"), "dimensions", "expected an integer"),
        ({"model": "text-embedding-ada-002", "input": "a", "dimensions": 8}, "dimensions", "does not support"),
        (body(encoding_format="hex"), "encoding_format", "'float' and 'base64'"),
        (body(encoding_format=5), "encoding_format", "'float' or 'base64'"),
        (body(user=5), "user", "expected a string"),
        (body(inputs="x"), None, "Unrecognized request argument supplied: inputs"),
    ],
)
def test_bad_requests_are_refused(sent: Any, param: str | None, words: str) -> None:
    refusal = refused(sent, EMBEDDINGS)
    assert refusal["param"] == param
    assert words in refusal["message"]
