"""Replies in one line of Python: what clients get, in process and served, and what is said of bad ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chatproof.fake_providers.scripting.one_line_reply import OneLineReply
from chatproof.fake_providers.scripting.script import ScriptError
from chatproof.fake_providers.testing import calls, fails, refuses, says, says_json, thinks
from chatproof.fake_providers.testing.inprocess import InProcess
from chatproof.fake_providers.testing.scripted_fakes import ScriptedFakes
from chatproof.fake_providers.testing.threaded import ThreadedServer

HEADERS = {"authorization": "Bearer sk-secret"}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module", params=["in process", "served"])
def fakes(request: pytest.FixtureRequest) -> Iterator[ThreadedServer | InProcess]:
    kind = InProcess if request.param == "in process" else ThreadedServer
    with kind(pace="instant") as running:
        yield running


@pytest.fixture(autouse=True)
def _settings_as_before(fakes: ScriptedFakes) -> Iterator[None]:
    yield
    fakes.plays()
    fakes.configure(unscripted="answer", exhausted="repeat", never_asked="allow", pace=0)
    fakes.unplanned.clear()
    fakes.journal.clear()


def post(fakes: Any, text: str = "hi", **more: Any) -> httpx.Response:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "tools": TOOLS, **more}
    with httpx.Client(headers=HEADERS, trust_env=False) as client:
        return client.post(f"{fakes.base_url}/chat/completions", json=body)


def message(fakes: Any, text: str = "hi") -> Any:
    return post(fakes, text).json()["choices"][0]["message"]


def test_each_kind(fakes: ScriptedFakes) -> None:
    fakes.says("Paris")
    assert message(fakes)["content"] == "Paris"
    fakes.says_json({"city": "Paris", "tags": [1, None, "é"]})
    assert json.loads(message(fakes)["content"]) == {"city": "Paris", "tags": [1, None, "é"]}
    fakes.refuses()
    assert (message(fakes)["content"], message(fakes)["refusal"]) == (None, "I'm sorry, but I can't help with that.")
    fakes.plays(thinks("Hm.") + refuses("No."), says(""))
    thought = post(fakes).json()
    assert thought["choices"][0]["message"]["refusal"] == "No."
    assert thought["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert message(fakes)["content"] == ""
    fakes.calls("get_weather", city="Paris", unit=None)
    [call] = message(fakes)["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city":"Paris","unit":null}'}
    fakes.fails(429, retry_after_ms=1, message="slow down")
    refused = post(fakes)
    assert (refused.status_code, refused.headers["retry-after-ms"]) == (429, "1")
    assert refused.json()["error"]["message"] == "slow down"
    fakes.fails("garbage")
    with pytest.raises(httpx.RemoteProtocolError):
        post(fakes)


def test_a_sequence_with_named_scripts_and_the_journal(fakes: ScriptedFakes) -> None:
    fakes.plays(fails(503), "hello", says("Paris"))
    assert [post(fakes).status_code for _ in range(3)] == [503, 200, 200]
    assert message(fakes)["content"] == "Paris", "the last one repeats"
    assert [entry.script for entry in fakes.journal.entries()] == ["1-fails", "hello", "3-says", "3-says"]
    fakes.plays("hello")
    assert post(fakes, "scenario 3-says").status_code == 400, "one-line replies go with their play"


def test_several_in_one_reply(fakes: ScriptedFakes) -> None:
    fakes.plays(says("Let me look.") + calls("get_weather", city="Paris") + calls("get_weather", city="Rome"))
    got = message(fakes)
    assert got["content"] == "Let me look."
    assert [json.loads(call["function"]["arguments"])["city"] for call in got["tool_calls"]] == ["Paris", "Rome"]
    fakes.plays(says("half of it", finish_reason="length") + fails("cut"))
    with pytest.raises(httpx.RemoteProtocolError):
        post(fakes, stream=True)


def test_all_requests_count_together_but_each_case_for_itself(fakes: ScriptedFakes) -> None:
    fakes.plays("rate-limited", "hello", exhausted="error")
    gemini = {"contents": [{"parts": [{"text": "hi"}]}]}
    assert post(fakes).status_code == 429
    with httpx.Client(headers={"x-goog-api-key": "k"}, trust_env=False) as client:
        root = fakes.base_url.removesuffix("/v1")  # type: ignore[attr-defined]  # both kinds have it
        assert client.post(f"{root}/v1beta/models/gemini-2.5-flash:generateContent", json=gemini).status_code == 200
    assert post(fakes).status_code == 400
    assert [post(fakes, f"case {case}").status_code for case in ("a", "b", "a", "b")] == [429, 429, 200, 200]


def test_embeddings_take_no_reply_away(fakes: ScriptedFakes) -> None:
    fakes.configure(unscripted="error", never_asked="error")
    fakes.plays(says("Paris"), exhausted="error")
    with httpx.Client(headers=HEADERS, trust_env=False) as client:
        asked = {"model": "text-embedding-3-small", "input": "What is the capital of France?"}
        address = f"{fakes.base_url}/embeddings"  # type: ignore[attr-defined]  # both kinds have it
        assert client.post(address, json=asked).json()["data"]
        assert client.get(address.replace("embeddings", "models")).status_code == 200
    assert message(fakes)["content"] == "Paris"
    fakes.check()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: says("x", inter_token=5), r"says\('x'\), step 1: unknown key 'inter_token'"),
        (lambda: says("x", finish_reason="lenght"), "Did you mean 'length'"),
        (lambda: fails(302), r"fails\(302\), step 1: .*status"),
        (lambda: fails("cutt"), "Did you mean 'cut'"),  # type: ignore[arg-type]  # what is tested
        (lambda: fails("cut", message="x"), "unknown key 'message'"),
        (lambda: fails("cut") + says("after"), "nothing can follow the fault 'cut'"),
        (lambda: calls(""), "tool_call must be a non-empty text"),
    ],
)
def test_a_bad_one_is_refused_where_it_is_written(make: Any, problem: str) -> None:
    with pytest.raises(ScriptError, match=problem) as error:
        make()
    assert "\n" not in str(error.value)


def test_what_plays_refuses(fakes: ScriptedFakes) -> None:
    fakes.plays("hello")
    for replies, problem in (
        (["helo"], r"^plays: .*'helo'.* Did you mean 'hello'\?$"),
        ([["hello"]], "^plays: "),
        ([None], "^plays: "),
    ):
        with pytest.raises(ScriptError, match=problem):
            fakes.plays(*replies)
    with pytest.raises(ScriptError, match="Did you mean 'error'"):
        fakes.plays("hello", exhausted="eror")  # type: ignore[arg-type]  # what is tested
    assert post(fakes).status_code == 200, "a play that is refused changes nothing"


def test_json_of_other_values() -> None:
    class Model:
        def model_dump(self, mode: str) -> dict[str, str]:
            return {"mode": mode}

    assert says_json(Model()).steps == ({"text": '{"mode": "json"}'},)
    with pytest.raises(TypeError, match="not JSON serializable"):
        says_json(object())


def test_messages_show_how_it_was_written() -> None:
    shown = (says("x" * 100) + calls("f", a=1, b="two") + fails("error", code="overloaded")).shown
    assert shown == f"says('{'x' * 59}…) + calls('f', a=1, b='two') + fails('error', code='overloaded')"
    assert isinstance(says("x"), OneLineReply)


def test_unscripted_requests_are_refused_and_shown(fakes: ScriptedFakes) -> None:
    fakes.configure(unscripted="error")
    fakes.plays("hello")
    fakes.plays()
    refused = post(fakes, "What is the capital of France? My key is sk-abcdef123456")
    assert (refused.status_code, refused.headers["x-should-retry"]) == (400, "false")
    assert "no script is planned for this request" in refused.json()["error"]["message"]
    assert post(fakes, "scenario helo").status_code == 400
    assert post(fakes, "scenario hello").status_code == 200
    with pytest.raises(AssertionError) as error:
        fakes.assert_all_scripted()
    for words in (
        'no script is planned for this request (unscripted = "error")',
        "POST /v1/chat/completions (openai, model gpt-4o)",
        "asked: 'What is the capital of France? My key is [redacted]'",
        '"name": "get_weather"',
        "the message names a scenario that does not exist",
        'plan a reply with plays("hello")',
    ):
        assert words in str(error.value)
    assert "sk-abcdef" not in str(error.value)
    assert [entry.script for entry in fakes.journal.entries()] == ["(unscripted)", None, "hello"]
    fakes.unplanned.clear()
    fakes.check()


def test_exhausted_plays_and_sequences(fakes: ScriptedFakes) -> None:
    fakes.configure(exhausted="error")
    fakes.plays("hello")
    assert [post(fakes).status_code for _ in range(2)] == [200, 400]
    fakes.script("twice", 'about = "x"\nsequence = ["hello", "hello"]\nexhausted = "error"\n')
    assert [post(fakes, "scenario twice case t").status_code for _ in range(3)] == [200, 200, 400]
    with pytest.raises(AssertionError, match=r'every planned script has been played.*exhausted = "error"'):
        fakes.check()
    with pytest.raises(ScriptError, match="exhausted is for a script with a sequence"):
        fakes.script("bad", 'about = "x"\nexhausted = "error"\n[[steps]]\ntext = "x"\n')


def test_planned_but_never_asked(fakes: ScriptedFakes) -> None:
    fakes.script("spare", 'about = "x"\n[[steps]]\ntext = "x"\n')
    fakes.plays("hello", says("Paris"), "spare")
    post(fakes)
    with pytest.raises(AssertionError, match=r"^planned but never asked: says\('Paris'\), spare \(1 request came\)$"):
        fakes.assert_all_asked()
    fakes.check()
    fakes.configure(never_asked="error")
    with pytest.raises(AssertionError, match="planned but never asked"):
        fakes.check()
    for _ in range(3):
        post(fakes)
    fakes.check()


def test_bad_settings(fakes: ScriptedFakes) -> None:
    for settings, problem in (
        ({"unscripted": "eror"}, r'unscripted must be "answer" or "error", not \'eror\'\. Did you mean \'error\'\?'),
        ({"pace": "slow"}, 'pace must be 0 or more, or "instant", not'),
        ({"pace": -1}, "pace must be 0 or more"),
        ({"pace": float("nan")}, "pace must be 0 or more"),
    ):
        with pytest.raises(ValueError, match=problem):
            fakes.configure(**settings)
    with pytest.raises(ValueError, match=r"unknown setting 'pase'\. Did you mean 'pace'\?"):
        type(fakes)(pase=1)  # type: ignore[call-arg]  # what is tested
    fakes.pace = "instant"
    assert fakes.pace == 0
