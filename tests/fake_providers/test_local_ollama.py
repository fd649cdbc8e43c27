"""Ollama's dialect: the bytes, the times they tell, and what it refuses."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

import pytest

from chatproof.fake_providers.dialects.base import Ask
from chatproof.fake_providers.dialects.ollama import dialect as ollama
from chatproof.fake_providers.dialects.openai_compatible import dialect as openai_compatible
from chatproof.fake_providers.planning.router import dialect_for
from chatproof.fake_providers.scripting.script import Script
from tests.fake_providers.local_kit import (
    CHAT,
    GENERATE,
    GOLDEN,
    asked,
    calling,
    digests,
    lines,
    local,
    payload,
    prompted,
    refused,
    replied,
    request,
    said,
    script,
)

START = "2023-11-14T22:13:20"
PACED = '[[steps]]\ntokens = ["a", "b", "c"]'
TIMES = "[timing]\nfirst_token_ms = 250\ninter_token_ms = 20"


def test_a_chat_has_golden_bytes() -> None:
    reply = replied(CHAT, said(), script(top=TIMES))
    head = '{"model":"llama3.2","created_at":"2023-11-14T22:13:20.%sZ","message":{"role":"assistant","content":'
    assert payload(reply).decode() == (
        f'{head % "250000000"}"Où"}},"done":false}}\n'
        f'{head % "270000000"}" là\\u2028"}},"done":false}}\n'
        f'{head % "290000000"}""}},"done":true,"done_reason":"stop","total_duration":290000001,"load_duration":1,'
        '"prompt_eval_count":13,"prompt_eval_duration":250000000,"eval_count":2,"eval_duration":40000000}\n'
    )
    assert reply.headers == (("content-type", "application/x-ndjson"),)
    assert [frame.due for frame in reply.frames] == pytest.approx([0.25, 0.27, 0.29])
    assert [frame.text for frame in reply.frames] == ["Où", " là\u2028", ""]


def test_a_whole_chat_has_golden_bytes() -> None:
    reply = replied(CHAT, said(stream=False), script(top=TIMES))
    assert payload(reply).decode() == (
        f'{{"model":"llama3.2","created_at":"{START}.290000000Z","message":{{"role":"assistant",'
        '"content":"Où là\\u2028"},"done":true,"done_reason":"stop","total_duration":290000001,"load_duration":1,'
        '"prompt_eval_count":13,"prompt_eval_duration":250000000,"eval_count":2,"eval_duration":40000000}'
    )
    assert reply.head_due == pytest.approx(0.29)
    assert reply.headers == (("content-type", "application/json; charset=utf-8"),)


def test_a_generated_text_has_golden_bytes() -> None:
    reply = replied(GENERATE, prompted(), script())
    head = f'{{"model":"llama3.2","created_at":"{START}.000000000Z","response":'
    context = json.loads(payload(reply).splitlines()[-1])["context"]
    assert len(context) == 2 + 2
    assert payload(reply).decode() == (
        f'{head}"Où","done":false}}\n{head}" là\\u2028","done":false}}\n'
        f'{head}"","done":true,"done_reason":"stop","context":{json.dumps(context, separators=(",", ":"))},'
        '"total_duration":3,"load_duration":1,"prompt_eval_count":7,"prompt_eval_duration":1,"eval_count":2,'
        '"eval_duration":1}\n'
    )
    raw = lines(replied(GENERATE, prompted(raw=True)))[-1]
    assert "context" not in raw


def test_a_call_has_golden_bytes() -> None:
    reply = replied(CHAT, said(), calling())
    function = '"function":{"index":0,"name":"get_weather","arguments":{"city":"Zürich","days":2}}'
    call = f'{{"id":"call_1d3a63a4",{function}}}'
    head = f'{{"model":"llama3.2","created_at":"{START}.%sZ","message":{{"role":"assistant","content":'
    assert payload(reply).decode() == (
        f'{head % "050000000"}"Let"}},"done":false}}\n'
        f'{head % "060000000"}" me see."}},"done":false}}\n'
        f'{head % "170000000"}"","tool_calls":[{call}]}},"done":false}}\n'
        f'{head % "180000000"}""}},"done":true,"done_reason":"stop","total_duration":180000001,"load_duration":1,'
        '"prompt_eval_count":13,"prompt_eval_duration":50000000,"eval_count":13,"eval_duration":130000000}\n'
    )
    whole = json.loads(payload(replied(CHAT, said(stream=False), calling())))
    (called,) = whole["message"].pop("tool_calls")
    assert whole["message"] == {"role": "assistant", "content": "Let me see."}
    assert called == {**json.loads(call), "id": called["id"]}


def test_every_builtin_script_has_golden_bytes() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    made = digests()
    other = sorted(name for name in golden.keys() | made.keys() if golden.get(name) != made.get(name))
    assert not other, "other bytes than before; if they are right: python -m tests.fake_providers.local_kit"


def test_equal_requests_have_equal_bytes() -> None:
    assert payload(replied(CHAT, said(), calling())) == payload(replied(CHAT, said(), calling()))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", [CHAT, GENERATE])
def test_durations_are_those_of_the_timeline(path: str, stream: bool) -> None:
    top = "seed = 4\n[timing]\nfirst_token_ms = { uniform = [100, 300] }\ninter_token_ms = { lognormal = [20, 0.5] }"
    body = {**said(stream=stream), **prompted(stream=stream)}
    reply = replied(path, body, script(PACED, top))
    last = json.loads(payload(reply).splitlines()[-1])
    opened = last["prompt_eval_duration"] / 1e9
    assert 0.1 <= opened <= 0.3
    assert last["eval_duration"] / 1e9 == pytest.approx(reply.end_due - opened, abs=1e-8)
    parts = last["load_duration"] + last["prompt_eval_duration"] + last["eval_duration"]
    assert last["total_duration"] == parts
    assert last["total_duration"] / 1e9 == pytest.approx(reply.end_due, abs=1e-8)


def test_each_line_tells_when_it_is_due() -> None:
    reply = replied(CHAT, said(), script(PACED, TIMES))
    start = datetime.fromisoformat(f"{START}+00:00")
    times = [datetime.fromisoformat(line["created_at"][:26] + "+00:00") - start for line in lines(reply)]
    assert [time.total_seconds() for time in times] == pytest.approx([frame.due for frame in reply.frames], abs=1e-5)


def test_lines_are_whole_however_they_are_cut() -> None:
    whole = payload(replied(CHAT, said(), script(PACED, TIMES)))
    cut = replied(CHAT, said(), script(f"{PACED}\nsplit_every = 7", TIMES))
    assert len(cut.frames) > 20
    assert [line["message"]["content"] for line in lines(cut)] == ["a", "b", "c", ""]
    assert len(payload(cut).splitlines()[0]) == len(whole.splitlines()[0])
    assert b"\x00" not in payload(cut)
    assert b"\x01" not in payload(cut)


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "<", ">", "&"])
def test_what_breaks_lines_or_html_is_escaped(character: str) -> None:
    scripts = script(f'[[steps]]\ntokens = ["a\\u{ord(character):04x}b"]')
    for stream in (True, False):
        data = payload(replied(CHAT, said(stream=stream), scripts))
        assert character not in data.decode()
        assert f"a\\u{ord(character):04x}b".encode() in data


def test_ascii_scripts_escape_the_rest() -> None:
    assert payload(replied(CHAT, said(), script(top="ascii = true"))).isascii()


@pytest.mark.parametrize(("wanted", "count"), [(1, 1), (2, 2), (3, 3), (9, 3), (0, 3), (-1, 3), (2.5, 2)])
def test_num_predict_ends_the_reply(wanted: float, count: int) -> None:
    for stream in (True, False):
        body = said(options={"num_predict": wanted}, stream=stream)
        last = json.loads(payload(replied(CHAT, body, script(PACED))).splitlines()[-1])
        assert last["eval_count"] == count
        assert last["done_reason"] == ("length" if count < 3 else "stop")


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls"])
def test_finish_reasons_become_ollamas(reason: str) -> None:
    last = lines(replied(CHAT, said(), script(PACED, f'finish_reason = "{reason}"')))[-1]
    assert last["done_reason"] == ("length" if reason == "length" else "stop")


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (CHAT, {"model": "m"}, "load"),
        (CHAT, {"model": "m", "messages": [], "keep_alive": 0}, "unload"),
        (GENERATE, {"model": "m"}, "load"),
        (GENERATE, {"model": "m", "prompt": "", "keep_alive": "0s"}, "unload"),
    ],
)
def test_nothing_to_say_loads_the_model(path: str, body: dict[str, Any], reason: str) -> None:
    answer = refused(path, body, 200)
    assert (answer["done"], answer["done_reason"]) == (True, reason)
    assert answer.get("response", "") == ""


def test_the_last_user_message_chooses_and_the_prompt_does() -> None:
    messages = [
        {"role": "user", "content": "scenario nope case old"},
        {"role": "User", "content": "scenario tiny case new"},
        {"role": "assistant", "content": "scenario nope"},
        {"role": "tool", "content": "scenario nope", "tool_name": "x"},
    ]
    ask = asked(CHAT, {"model": "m", "messages": messages})
    assert (ask.scenario, ask.case, ask.provider, ask.stream) == ("tiny", "new", "local", True)
    ask = asked(GENERATE, prompted("x", system="scenario nope"))
    assert (ask.scenario, ask.script.name) == (None, "")


def test_a_script_may_be_matched_by_provider_and_model() -> None:
    scripts = script(top='[match]\nprovider = "local"\nmodel = "llama*"')
    assert asked(CHAT, said("hello"), scripts).script.name == "tiny"
    assert asked(CHAT, said("hello", model="qwen3"), scripts).script.name == ""


def _unit(vector: list[float]) -> None:
    assert math.fsum(number * number for number in vector) == pytest.approx(1, abs=1e-6)


def test_embeddings_are_unit_vectors_that_depend_on_the_text() -> None:
    def embedded(**body: Any) -> Any:
        return json.loads(payload(replied("/api/embed", {"model": "nomic-embed-text", **body})))

    answer = embedded(input=["red apple", "red apples", "blue sky", "red apple"])
    vectors = answer["embeddings"]
    for vector in vectors:
        assert len(vector) == 768
        _unit(vector)
    assert vectors[0] == vectors[3] != vectors[1]
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:3])
    assert near > far
    assert answer.keys() == {"model", "embeddings", "total_duration", "load_duration", "prompt_eval_count"}
    assert len(embedded(input="x", dimensions=7)["embeddings"][0]) == 7
    wide = embedded(input="x", model="llama3.2")["embeddings"][0]
    assert len(wide) == 3072
    _unit(wide)
    assert embedded(input="")["embeddings"] == embedded(input=[])["embeddings"] == []


def test_the_old_embeddings_have_their_own_shape() -> None:
    answer = json.loads(payload(replied("/api/embeddings", {"model": "nomic-embed-text", "prompt": "x"})))
    assert answer.keys() == {"embedding"}
    _unit(answer["embedding"])
    assert payload(replied("/api/embeddings", {"model": "m", "prompt": ""})) == b'{"embedding":[]}'


def test_an_embedding_can_be_late_and_can_fail(scripts: dict[str, Script]) -> None:
    late = replied("/api/embed", {"model": "m", "input": "scenario slow-start"}, scripts)
    assert late.head_due >= 2
    assert json.loads(payload(late))["total_duration"] >= 2_000_000_000
    assert replied("/api/embed", {"model": "m", "input": ["scenario rate-limited"]}, scripts).status == 429


@pytest.mark.parametrize("path", ["/api/tags", "/api/ps", "/api/version"])
def test_what_can_be_looked_up(path: str) -> None:
    assert refused(path, None, 200, method="GET")
    assert refused(path, None, 200, method="HEAD")


@pytest.mark.parametrize("name", ["model", "name"])
def test_any_model_can_be_shown(name: str) -> None:
    answer = refused("/api/show", {name: "hf.co/someone/Some-Model-GGUF:Q4_K_M"}, 200)
    assert {"details", "model_info", "capabilities", "modified_at", "template"} <= answer.keys()


@pytest.mark.parametrize("path", ["/", CHAT, "/api/nowhere", "/ollama/api/tags", "/ollama"])
def test_its_paths_are_the_ollama_dialects(path: str) -> None:
    assert dialect_for(request(path)) is ollama


@pytest.mark.parametrize("path", ["/vllm/health", "/lmstudio/x", "/llamacpp/api/chat", "/ollama/v1/models"])
def test_paths_of_products_are_the_compatible_dialects(path: str) -> None:
    assert dialect_for(request(path)) is openai_compatible


def test_ollamas_paths_are_under_its_prefix_too() -> None:
    plain, prefixed = (replied(path, said()) for path in (CHAT, f"/ollama{CHAT}"))
    assert plain == prefixed
    assert payload(local.read(request("/ollama", method="GET"), {})) == b"Ollama is running"  # type: ignore[arg-type]


def test_an_ask_is_a_cache_key() -> None:
    ask = asked(CHAT, said())
    assert isinstance(ask, Ask)
    assert hash(asked("/api/embed", {"model": "m", "input": ["a", "b"]})) != hash(ask)
