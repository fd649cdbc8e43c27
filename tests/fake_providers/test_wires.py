"""Wires: who chooses them, what they carry, their golden bytes, and what is refused.

CHATPROOF_WRITE_GOLDEN=1 writes the golden files anew; look at the difference before you commit it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatproof.fake_providers.planning.planner import Answer, Planner
from chatproof.fake_providers.scripting.script import (
    BUILT_IN,
    Call,
    Say,
    Script,
    ScriptError,
    load_scripts,
    parse_script,
)
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.scripting.steps import Channel
from chatproof.fake_providers.scripting.wire_table import FORMS, PLAIN, WIRES, Form, UnknownWire, known_wires, wires_of
from chatproof.fake_providers.wires.delta_texts import code_points, large_deltas
from chatproof.fake_providers.wires.stream_events import StreamEvent
from tests.fake_providers.wire_kit import PAIRS, Heard, answered, asking, reads_whole, said, thought

GOLDEN: Final = Path(__file__).parent / "golden"
WRITE: Final = os.environ.get("CHATPROOF_WRITE_GOLDEN") == "1"
SCRIPTS: Final = load_scripts(BUILT_IN)
SHOWN: Final = 400
"""Characters of a line in the readable golden file."""


@pytest.fixture(scope="module")
def planner() -> Planner:
    return Planner(ScriptLibrary(base=SCRIPTS))


@pytest.mark.parametrize(
    "name", ["three-tokens", "unicode", "nasty", "tool-call", "split-bytes", "reasoning", "refusal", "parallel-tools"]
)
@pytest.mark.parametrize(("form", "wire"), PAIRS)
def test_a_wire_carries_the_whole_script(planner: Planner, form: Form, wire: str, name: str) -> None:
    request = asking(form, f"scenario {name} wire {wire}")
    answer = answered(planner, request)
    assert answer.wires == (wire,)
    reads_whole(answer, request, SCRIPTS[name])


_WORDS: Final = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), max_size=8)
_CHANNELS: Final[tuple[Channel, ...]] = ("thinking", "text", "thinking", "text", "refusal")


@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_any_wires_together_carry_any_text(form: Form, data: st.DataObject) -> None:
    """Beside thoughts, a refusal and a call, where the script cuts its events, and with several choices."""
    wires = data.draw(st.lists(st.sampled_from(wires_of(form)), unique=True, max_size=5).filter(_fit))
    cut = data.draw(st.sampled_from([None, 1, 7, 40]))
    steps: list[Say | Call] = [
        Say(tuple(data.draw(_WORDS)), split_every=cut, channel=channel)
        for channel in _CHANNELS
        if data.draw(st.booleans())
    ]
    if data.draw(st.booleans()):
        steps.insert(data.draw(st.integers(0, len(steps))), Call("get_weather", json.dumps({"city": "Köln 🌍"})))
    script = Script("drawn", "x", tuple(steps), ascii=data.draw(st.booleans()), wires=known_wires(wires))
    more: dict[str, Any] = {}
    if form == "chat":
        more = {"n": data.draw(st.sampled_from([1, 2])), "stream_options": {"include_usage": data.draw(st.booleans())}}
    request, as_plain = asking(form, "scenario drawn", **more), asking(form, "scenario drawn wire plain", **more)
    planner = Planner(ScriptLibrary(base={"drawn": script}))
    answer, plain = answered(planner, request), answered(planner, as_plain)
    reads_whole(answer, request, script)
    assert thought(Heard.of(answer).parts(request)) == thought(Heard.of(plain).parts(as_plain))
    assert _counted(answer) == _counted(plain), "the journal counts the same tokens"


def _counted(answer: Answer) -> int:
    return sum(tokens for _, tokens, _, _ in answer.plan.sent)


def _fit(wires: list[str]) -> bool:
    try:
        return bool(known_wires(wires)) or not wires
    except UnknownWire:
        return False


@pytest.mark.parametrize("product", ["vllm", "llamacpp", "lmstudio", "ollama"])
@pytest.mark.parametrize("wire", wires_of("chat"))
def test_local_servers_have_the_wires_of_chat(planner: Planner, product: str, wire: str) -> None:
    for name in ("three-tokens", "tool-call"):
        request = asking("chat", f"scenario {name} wire {wire}", path=f"/{product}/v1/chat/completions")
        reads_whole(answered(planner, request), request, SCRIPTS[name])


def body(planner: Planner, form: Form, text: str, **more: Any) -> str:
    return Heard.of(answered(planner, asking(form, text, **more))).body.decode()


def chunks(planner: Planner, wire: str, name: str = "three-tokens", **more: Any) -> list[dict[str, Any]]:
    events = re.findall(
        "^data: ?({.*})\r?$", body(planner, "chat", f"scenario {name} wire {wire}", **more), re.MULTILINE
    )
    return [json.loads(event) for event in events]


def test_each_wire_is_what_it_says(planner: Planner) -> None:
    """One look at each; the golden bytes keep the rest."""
    assert "\r\n\r\n" in body(planner, "chat", "scenario hello wire crlf")
    assert "\r" not in body(planner, "gemini", "scenario hello wire lf")
    assert ": OPENROUTER PROCESSING\n\n" in body(planner, "responses", "scenario hello wire comments")
    assert body(planner, "chat", "scenario hello wire ids").startswith(
        "id:1\nevent:result\n:HTTP_STATUS/200\nretry:3000\ndata: {"
    )
    assert "event:" not in body(planner, "responses", "scenario hello wire no-event-names")
    assert body(planner, "responses", "scenario hello wire done-mark").endswith("data: [DONE]\n\n")
    assert "[DONE]" not in body(planner, "chat", "scenario hello wire no-done")
    assert body(planner, "ollama", "scenario hello wire no-last-newline").endswith("}")
    assert chunks(planner, "empty-choices")[0]["choices"] == []
    assert chunks(planner, "role-with-text")[0]["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "Three",
        "refusal": None,
    }
    assert all(chunk["choices"][0]["delta"]["role"] == "assistant" for chunk in chunks(planner, "role-always"))
    (*_, last) = chunks(planner, "text-with-finish")
    assert (last["choices"][0]["delta"]["content"], last["choices"][0]["finish_reason"]) == (" words.", "stop")
    assert chunks(planner, "null-content")[-1]["choices"][0]["delta"] == {"content": None}
    assert chunks(planner, "null-fields")[1]["choices"][0]["delta"]["tool_calls"] is None
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks(planner, "usage-always")]
    assert counts == [0, 1, 2, 3, 3, 3], "also for a client that does not ask for usage"
    (*_, last) = chunks(planner, "usage-with-finish")
    assert (last["choices"][0]["finish_reason"], last["usage"]["completion_tokens"]) == ("stop", 3)
    asked = chunks(planner, "no-usage", stream_options={"include_usage": True})
    assert all(chunk["choices"] and "usage" not in chunk for chunk in asked)
    (call,) = [
        chunk for chunk in chunks(planner, "whole-calls", "tool-call") if "tool_calls" in chunk["choices"][0]["delta"]
    ]
    assert json.loads(call["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"])["unit"] == "celsius"
    assert max(map(len, body(planner, "ollama", "scenario hello wire long-lines").split("\n"))) > 65_536
    assert "\\ud83c\\udf0d" in body(planner, "gemini", "scenario unicode wire python-json")
    texts = [chunk["choices"][0]["delta"].get("content") for chunk in chunks(planner, "code-points", "unicode")]
    assert "\N{EARTH GLOBE EUROPE-AFRICA}" in texts
    assert [one["choices"][0]["delta"].get("content") for one in chunks(planner, "large-deltas")][
        1
    ] == "Three small words."


@pytest.mark.parametrize("product", ["vllm", "llamacpp", "lmstudio", "ollama"])
def test_the_last_thought_comes_with_the_first_text(planner: Planner, product: str) -> None:
    """vLLM's parsers do so where both are in one step of the model; a reader that takes only one of them loses text."""
    request = asking("chat", "scenario reasoning wire thought-with-text", path=f"/{product}/v1/chat/completions")
    reads_whole(answered(planner, request), request, SCRIPTS["reasoning"])
    events = re.findall("^data: ({.*})$", Heard.of(answered(planner, request)).body.decode(), re.MULTILINE)
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    both = [
        delta for delta in deltas if delta.get("content") and ("reasoning" in delta or "reasoning_content" in delta)
    ]
    assert len(both) == 1
    thoughts = (delta.get("reasoning") or delta.get("reasoning_content") or "" for delta in deltas)
    assert "".join(thoughts) == "".join(SCRIPTS["reasoning"].thoughts)


@pytest.mark.parametrize("edit", [large_deltas, code_points])
def test_the_log_probabilities_of_a_text_go_with_it(edit: Any) -> None:
    tokens = ["The", " quick", " fox"]
    events = [
        StreamEvent(
            json.dumps({"choices": [{"delta": {"content": one}, "logprobs": {"content": [{"token": one}]}}]}), number
        )
        for number, one in enumerate(tokens)
    ]
    choices = [event.value["choices"][0] for event in edit(events, "chat", json.dumps)]
    assert [one["token"] for choice in choices for one in (choice["logprobs"] or {}).get("content") or ()] == tokens
    assert "".join(choice["delta"]["content"] for choice in choices) == "The quick fox"
    assert len(choices) == (1 if edit is large_deltas else len("The quick fox"))


def test_wires_travel_as_they_say(planner: Planner) -> None:
    def writes(wire: str, name: str = "hundred-tokens") -> list[bytes]:
        return [
            write.payload for write in answered(planner, asking("chat", f"scenario {name} wire {wire}")).plan.writes
        ]

    assert max(write.count(b"data: ") for write in writes("batched")) == 8
    assert len(writes("split")) > 400
    assert b"transfer-encoding" not in writes("unchunked")[0]
    assert b"connection: close" in writes("unchunked")[0]
    assert b"content-encoding: gzip" in writes("gzip")[0]
    assert b"content-type: text/event-stream\r\n" in writes("content-type")[0]


def test_gzip_only_for_those_who_accept_it(planner: Planner) -> None:
    request = asking("chat", "scenario hello wire gzip")
    del request.headers["accept-encoding"]  # type: ignore[attr-defined]  # it is a dict here
    assert "gzip" not in Heard.of(answered(planner, request)).head


def test_the_message_is_before_the_case_and_the_case_before_the_script() -> None:
    toml = 'about = "x"\nwire = ["no-space", "crlf"]\n[[steps]]\ntokens = ["Hi"]'
    planner = Planner(ScriptLibrary(base={"mine": parse_script("mine", toml)}))

    def chosen(text: str) -> tuple[str, ...]:
        return answered(planner, asking("chat", text)).wires

    assert chosen("scenario mine") == ("crlf", "no-space")
    planner.wires.choose("a-1", ["comments"])
    assert chosen("scenario mine case a-1") == ("comments",)
    assert chosen("scenario mine case a-2") == ("crlf", "no-space"), "asks side by side may differ"
    assert chosen("scenario mine wire no-done case a-1") == ("no-done",)
    assert chosen("scenario mine case a-1 wire no-done,gzip") == ("no-done", "gzip")
    assert chosen(f"scenario mine wire {PLAIN} case a-1") == ()
    planner.wires.choose("a-1", [PLAIN])
    assert chosen("scenario mine case a-1") == ()
    planner.wires.choose("a-1", [])
    assert chosen("scenario mine case a-1") == ("crlf", "no-space")


@pytest.mark.parametrize("text", ["How do I wire money?", "scenario mine: wire the lamp", "in case you wire crlf"])
def test_the_word_wire_alone_chooses_nothing(text: str) -> None:
    planner = Planner(ScriptLibrary(base={"mine": parse_script("mine", 'about = "x"\n[[steps]]\ntokens = ["Hi"]')}))
    assert answered(planner, asking("chat", text)).wires == ()


def test_a_sequence_has_the_wires_of_what_it_plays_or_its_own() -> None:
    scripts = {
        name: parse_script(name, f'about = "x"\n{more}')
        for name, more in {
            "one": 'wire = "crlf"\n[[steps]]\ntokens = ["Hi"]',
            "two": '[[steps]]\ntokens = ["Hi"]',
            "both": 'wire = "no-done"\nsequence = ["one", "two"]',
        }.items()
    }
    planner = Planner(ScriptLibrary(base=scripts))
    assert [answered(planner, asking("chat", "scenario both case x")).wires for _ in range(2)] == [
        ("crlf",),
        ("no-done",),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_an_unstreamed_reply_has_no_wire(planner: Planner, form: Form) -> None:
    if form.startswith("gemini"):
        path = "/v1beta/models/gemini-2.5-flash:generateContent"
        request = asking(form, "scenario hello wire long-lines", path=path)
    else:
        request = asking(form, "scenario hello wire long-lines", stream=False)
    answer = answered(planner, request)
    assert (answer.plan.status, answer.wires, answer.plan.size < 5_000) == (200, (), True)


MESSAGES: Final = {
    "scenario hello wire crfl": "Unknown wire 'crfl'. Did you mean 'crlf'? Known: batched, ",
    "scenario hello wire large-deltas,code-points": "The wires 'large-deltas' and 'code-points' exclude each other.",
    "scenario hello wire plain,gzip": "The wire 'plain' stands alone: it means no wire.",
    "scenario hello wire no-last-newline": "The wire 'no-last-newline' cannot be written as {}, only as ollama.",
}


@pytest.mark.parametrize("text", MESSAGES)
@pytest.mark.parametrize("form", ["chat", "responses", "gemini", "gemini-array", "messages"])
def test_what_cannot_be_written_is_refused_in_the_dialects_own_shape(planner: Planner, form: Form, text: str) -> None:
    heard = Heard.of(answered(planner, asking(form, text)))
    error = json.loads(heard.body)
    inner = (error[0] if form == "gemini-array" else error)["error"]
    assert heard.status == 400
    assert inner["message"].startswith(MESSAGES[text].format(form))
    assert inner.get("status" if form.startswith("gemini") else "type") in ("INVALID_ARGUMENT", "invalid_request_error")


def test_local_servers_refuse_in_their_own_shape(planner: Planner) -> None:
    heard = Heard.of(answered(planner, asking("ollama", "scenario hello wire no-done")))
    assert (heard.status, json.loads(heard.body)["error"][:55]) == (
        400,
        "The wire 'no-done' cannot be written as ollama, only as",
    )
    request = asking("chat", "scenario hello wire lf", path="/vllm/v1/chat/completions")
    heard = Heard.of(answered(planner, request))
    assert json.loads(heard.body)["error"]["code"] == 400


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ('wire = "crfl"', "mine: wire: Unknown wire 'crfl'. Did you mean 'crlf'?"),
        ('wire = ["comments", "ids"]', "mine: wire: The wires 'comments' and 'ids' exclude each other."),
        ("wire = 7", "mine: wire must be a list of non-empty texts, not 7"),
        ('wire = ""', "mine: wire must be a non-empty text, not ''"),
        ('wires = "crlf"', "mine: unknown key 'wires'. The nearest known key is 'wire'."),
    ],
)
def test_a_bad_key_is_one_clear_line(key: str, problem: str) -> None:
    with pytest.raises(ScriptError, match=re.escape(problem)):
        parse_script("mine", f'about = "x"\n{key}\n[[steps]]\ntokens = ["Hi"]')


def test_the_table_names_its_sources() -> None:
    for wire in WIRES.values():
        assert wire.source.startswith("https://"), wire.name
        assert wire.forms, wire.name
    assert len({*WIRES, PLAIN}) == len(WIRES) + 1


@pytest.mark.parametrize("form", FORMS)
def test_golden_bytes_of_three_scripts(planner: Planner, form: Form) -> None:
    """One line a wire: the first half of a SHA-256 of all writes of each script."""
    lines = []
    for wire in (PLAIN, *wires_of(form)):
        digests = []
        for name in ("three-tokens", "unicode", "tool-call"):
            plan = answered(planner, asking(form, f"scenario {name} wire {wire} case golden")).plan
            whole = b"\n--\n".join(b"%.3f " % write.due + write.payload for write in plan.writes)
            digests.append(hashlib.sha256(whole).hexdigest()[:16])
        lines.append(" ".join([wire, *digests]))
    path = GOLDEN / "wires" / f"{form}.txt"
    if WRITE:
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    expected = path.read_text(encoding="utf-8").splitlines()
    assert lines == expected, "look at the difference; CHATPROOF_WRITE_GOLDEN=1 accepts it"


def test_golden_bytes_to_read(planner: Planner) -> None:
    """Every wire of chat completions as text; long lines are cut."""
    shown = []
    for wire in wires_of("chat"):
        heard = Heard.of(answered(planner, asking("chat", f"scenario three-tokens wire {wire} case golden")))
        lines = heard.body.decode().replace("\r", "\\r").split("\n")
        cut = [line if len(line) <= SHOWN else f"{line[:SHOWN]}… ({len(line)} characters)" for line in lines]
        shown.append(f"== {wire}\n" + "\n".join(cut))
    path = GOLDEN / "wires" / "chat-readable.txt"
    if WRITE:
        path.write_text("\n".join(shown), encoding="utf-8")
    assert "\n".join(shown) == path.read_text(encoding="utf-8")


def test_the_documents_table_is_the_codes() -> None:
    """docs/scripts.md: who writes so, with a source, and in which forms."""
    rows = [
        f"| `{wire.name}` | {wire.what} | [{wire.who}]({wire.source}) | {', '.join(wire.forms)} |"
        for wire in WIRES.values()
    ]
    page = Path(__file__).parents[2] / "docs" / "scripts.md"
    text = page.read_text(encoding="utf-8")
    head = "| wire | what | who writes so | in |\n|---|---|---|---|\n"
    start = text.index(head) + len(head)
    stop = text.index("\n\n", start)
    if WRITE:
        page.write_text(text[:start] + "\n".join(rows) + text[stop:], encoding="utf-8")
        return
    assert text[start:stop].split("\n") == rows, "CHATPROOF_WRITE_GOLDEN=1 writes the table anew"


def test_the_reader_would_notice_a_loss(planner: Planner) -> None:
    request = asking("chat", "scenario hello")
    heard = Heard.of(answered(planner, request))
    heard.body = heard.body.replace(b"data: ", b"deta: ", 2)
    assert said(heard.parts(request)) != SCRIPTS["hello"].text
