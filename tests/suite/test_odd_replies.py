"""What the provider says in tests of a reply's text: the scripts are valid, and say what the tests compare with."""

from __future__ import annotations

import pytest

from chatproof.conformance.suite import odd_replies
from chatproof.conformance.suite.ordinary_texts import LENGTHS, prose
from chatproof.conformance.suite.provider import spoken_texts
from chatproof.fake_providers.journal.entry import Entry
from chatproof.fake_providers.scripting.script import parse_script
from chatproof.fake_providers.scripting.wire_table import FORMS, wires_of


def entry(path: str) -> Entry:
    return Entry(1, "openai", "POST", path, {}, None, 0.0)


@pytest.mark.parametrize("length", LENGTHS)
def test_prose_has_its_length(length: int) -> None:
    assert len(prose(length)) == length


def test_large_replies_are_as_large_as_they_say() -> None:
    tokens = list(odd_replies.LARGE.values())
    assert [(len(one), sum(map(len, one))) for one in tokens[:2]] == [(32, 64 << 10), (3_000, 3_120)]
    assert max(map(len, tokens[2])) == 8 << 10


@pytest.mark.parametrize("form", FORMS)
def test_each_wire_has_a_script(form: str) -> None:
    scripts = odd_replies.wired(form)  # type: ignore[arg-type]  # one of the forms
    assert [name.removeprefix("wired-") for name in scripts] == list(wires_of(form))  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", [odd_replies.LARGE, odd_replies.ENDINGS, {"NUL": odd_replies.NUL}])
def test_a_script_says_its_tokens(texts: dict[str, tuple[str, ...]]) -> None:
    for (what, toml), tokens in zip(odd_replies.named("odd", texts).values(), texts.values(), strict=True):
        script = parse_script("odd", toml)
        assert (script.about, script.text) == (f"A reply with {what}.", "".join(tokens))


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/v1/chat/completions", "chat"),
        ("/openai/deployments/mine/chat/completions?api-version=1", "chat"),
        ("/v1/responses", "responses"),
        ("/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse", "gemini"),
        ("/v1beta/models/gemini-2.0-flash:streamGenerateContent", "gemini-array"),
        ("/api/chat", "ollama"),
        ("/v1/elsewhere", None),
    ],
)
def test_the_form_is_told_by_the_path(path: str, form: str | None) -> None:
    assert odd_replies.form_of(entry(path)) == form


def test_thoughts_in_fields_of_their_own_are_not_spoken() -> None:
    messages = [{"role": "assistant", "content": "Said.", "reasoning_content": "Thought."}]
    parts = [{"text": "Thought.", "thought": True}, {"text": "Said too."}]
    items = [{"type": "reasoning", "summary": [{"text": "Thought."}]}, {"type": "message", "content": "And this."}]
    body = {"messages": messages, "contents": [{"parts": parts}], "input": items}
    assert spoken_texts(body) == ["assistant", "Said.", "Said too.", "message", "And this."]
