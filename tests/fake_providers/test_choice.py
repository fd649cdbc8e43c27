"""Which script a request gets: by name, by what fits it, by where its sequence stands."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from chatproof.fake_providers.dialects.base import IncomingRequest
from chatproof.fake_providers.journal.control_client import Fakes, FakesError
from chatproof.fake_providers.planning.sequences import Sequences
from chatproof.fake_providers.scripting.script import Script, ScriptError, load_scripts, parse_script
from chatproof.fake_providers.scripting.selection import UnknownScenario, choose

CHAT = "/v1/chat/completions"


def script(name: str, match: str) -> Script:
    return parse_script(name, f'about = "x"\n[match]\n{match}\n[[steps]]\ntext = "x"\n')


@pytest.mark.parametrize(
    ("match", "text", "model", "provider", "fits"),
    [
        ("message = 'weather\\b'", "How is the weather?", "m", "openai", True),
        ("message = '^weather'", "How is the weather?", "m", "openai", False),
        ("model = 'gpt-4*'", "", "gpt-4o", "openai", True),
        ("model = 'gpt-4*'", "", "GPT-4o", "openai", False),
        ("provider = 'gemini'", "", "m", "gemini", True),
        ("provider = 'gemini'", "", "m", "openai", False),
        ("provider = 'openai'\nmodel = 'a*'\nmessage = 'x'", "xyz", "abc", "openai", True),
        ("provider = 'openai'\nmodel = 'a*'\nmessage = 'x'", "yz", "abc", "openai", False),
    ],
)
def test_all_of_a_match_must_fit(match: str, text: str, model: str, provider: str, fits: bool) -> None:
    found = choose(text, {"mine": script("mine", match)}, model=model, provider=provider)
    assert (found.name == "mine") is fits


def test_a_name_wins_over_a_match_and_the_first_match_wins() -> None:
    scripts = {name: script(name, "message = '.'") for name in ("a", "b")}
    assert choose("scenario b", scripts).name == "b"
    assert choose("anything", scripts).name == "a"
    with pytest.raises(UnknownScenario) as caught:
        choose("scenario bb", scripts)
    assert caught.value.header == ("x-fake-unknown-scenario", "bb")
    assert "Did you mean 'b'?" in str(caught.value)


async def asked(http: httpx.AsyncClient, text: str, **headers: str) -> int:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return (await http.post(CHAT, json=body, headers=headers)).status_code


FLAKY = 'about = "Fails twice."\nsequence = ["server-error", "rate-limited", "hello"]\n'


async def test_a_sequence_goes_on_with_each_request_of_a_case(http: httpx.AsyncClient, fakes: Fakes) -> None:
    await fakes.register("flaky", FLAKY)
    one = [await asked(http, "scenario flaky case one") for _ in range(4)]
    two = [await asked(http, "scenario flaky case two") for _ in range(2)]
    assert (one, two) == ([500, 429, 200, 200], [500, 429])
    assert [entry.script for entry in await fakes.entries("two")] == ["flaky", "flaky"]


async def test_without_a_case_a_sequence_is_counted_for_each_key(http: httpx.AsyncClient, fakes: Fakes) -> None:
    await fakes.register("flaky", FLAKY)
    assert [await asked(http, "scenario flaky", authorization="Bearer a") for _ in range(3)] == [500, 429, 200]
    assert await asked(http, "scenario flaky", authorization="Bearer b") == 500


async def test_a_sequence_begins_anew_with_the_journal_and_with_another_sequence(
    http: httpx.AsyncClient, fakes: Fakes
) -> None:
    await fakes.register("flaky", FLAKY)
    assert [await asked(http, "scenario flaky case c") for _ in range(2)] == [500, 429]
    await fakes.clear()
    assert await asked(http, "scenario flaky case c") == 500
    await fakes.register("flaky", FLAKY.replace("server-error", "bad-key"))
    assert await asked(http, "scenario flaky case c") == 401


async def test_a_sequence_may_be_matched(http: httpx.AsyncClient, fakes: Fakes) -> None:
    await fakes.register("flaky", FLAKY + "[match]\nmessage = '^please'\n")
    assert [await asked(http, "please, case m") for _ in range(3)] == [500, 429, 200]


async def test_a_sequence_of_what_is_not_there_is_refused(fakes: Fakes, tmp_path: Path) -> None:
    with pytest.raises(FakesError, match="flaky: sequence names 'helo', and there is no other script of that name"):
        await fakes.register("flaky", 'about = "x"\nsequence = ["helo"]')
    await fakes.register("flaky", FLAKY)
    with pytest.raises(FakesError, match="sequence names 'flaky', which is a sequence itself"):
        await fakes.register("other", 'about = "x"\nsequence = ["hello", "flaky"]')
    (tmp_path / "self.toml").write_text('about = "x"\nsequence = ["self"]')
    with pytest.raises(ScriptError, match=r"self\.toml: sequence names 'self'"):
        load_scripts(tmp_path)


def test_turns_are_bounded_and_begin_anew() -> None:
    flaky = parse_script("flaky", 'about = "x"\nsequence = ["a", "b"]')
    scripts = {name: script(name, "message = '.'") for name in ("a", "b")}
    request = IncomingRequest("POST", CHAT, "", {"authorization": "Bearer k"}, b"")
    sequences = Sequences()
    assert sequences.script(flaky, request, "first", scripts).name == "a"
    for number in range(10_000):
        sequences.script(flaky, request, f"case-{number}", scripts)
    assert sequences.script(flaky, request, "first", scripts).name == "a"
    sequences.clear()
    assert sequences.script(flaky, request, None, scripts).name == "a"
    assert sequences.script(flaky, request, None, scripts).name == "b"
    sequences.clear()
    assert sequences.script(flaky, request, None, scripts).name == "a"
