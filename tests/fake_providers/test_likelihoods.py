"""Log probabilities: what they promise."""

from __future__ import annotations

import math

import pytest

from chatproof.fake_providers.dialects.likelihoods import google_logprobs, likelihoods, openai_logprob


@pytest.mark.parametrize("token", ["Hello", " the", "é", "\n", "", ","])
@pytest.mark.parametrize("top", [0, 1, 5, 20])
def test_the_token_is_the_likeliest_and_all_are_less_than_one(token: str, top: int) -> None:
    said, *candidates = likelihoods(token, top)
    assert said[0] == token
    assert said[1] < 0
    assert len(candidates) == top
    assert candidates[:1] == [said][:top]
    assert candidates == sorted(candidates, key=lambda one: -one[1])
    assert len({one for one, _ in candidates}) == top
    assert math.fsum(math.exp(logprob) for _, logprob in candidates) <= 1
    assert likelihoods(token, top) == (said, *candidates)


def test_openais_entries_have_the_tokens_bytes() -> None:
    entry = openai_logprob("é", 2)
    assert entry["bytes"] == list("é".encode())
    assert entry["top_logprobs"][0] == {key: entry[key] for key in ("token", "logprob", "bytes")}
    assert "bytes" not in openai_logprob("é", 2, with_bytes=False)["top_logprobs"][1]


def test_geminis_result_has_a_candidate_for_each_token() -> None:
    found = google_logprobs(["One", " two"], 3)
    result = found["logprobsResult"]
    assert [one["token"] for one in result["chosenCandidates"]] == ["One", " two"]
    assert [len(one["candidates"]) for one in result["topCandidates"]] == [3, 3]
    mean = sum(one["logProbability"] for one in result["chosenCandidates"]) / 2
    assert found["avgLogprobs"] == pytest.approx(mean)
    assert google_logprobs([], 3) == {}
