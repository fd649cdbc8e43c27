"""Text, thoughts, refusals and calls in any order: every dialect, streamed and not, says what the script says."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatproof.fake_providers.planning.planner import Planner
from chatproof.fake_providers.record.reply_part import TextPart
from chatproof.fake_providers.scripting.script import Call, Say, Script
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.scripting.wire_table import FORMS, Form
from tests.fake_providers.gemini_kit import MODEL, WHOLE
from tests.fake_providers.local_kit import PRODUCTS
from tests.fake_providers.wire_kit import Heard, answered, asking, called

THOUGHTS: Final = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
SHOWN: Final[dict[Form, dict[str, Any]]] = {
    "gemini": THOUGHTS,
    "gemini-array": THOUGHTS,
    "responses": {"reasoning": {"summary": "auto"}},
}
WORDS: Final = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
STEPS: Final = st.one_of(
    st.builds(
        lambda tokens, thinks, every: Say(tuple(tokens), None, (), every, "thinking" if thinks else "text"),
        st.lists(WORDS, max_size=4),
        st.booleans(),
        st.sampled_from([None, None, 5]),
    ),
    st.just(Call("get_weather", '{"city":"K\u00f6ln"}')),
)
WAYS: Final[dict[str, tuple[Form, str]]] = {  # by name: the form and its path, where it is not the form's own
    **{form: (form, "") for form in FORMS},
    **{product: ("chat", f"/{product}/v1/chat/completions") for product in PRODUCTS},
    **{f"{product} responses": ("responses", f"/{product}/v1/responses") for product in PRODUCTS},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [True, False])
@settings(deadline=None, max_examples=25)
@given(steps=st.lists(STEPS, min_size=1, max_size=5), refusal=st.lists(WORDS, max_size=3))
def test_what_is_read_is_what_the_script_says(way: str, stream: bool, steps: list[Any], refusal: list[str]) -> None:
    refuses = (Say(tuple(refusal), channel="refusal"),) if refusal else ()
    script = Script("drawn", "x", (*steps, *refuses))
    form, path = WAYS[way]
    google = form.startswith("gemini")
    if google and not stream:
        path = MODEL + WHOLE
    request = asking(form, "scenario drawn", stream=stream, path=path, **SHOWN.get(form, {}))
    parts = Heard.of(answered(Planner(ScriptLibrary(base={"drawn": script})), request)).parts(request)

    def read(channel: str) -> str:
        return "".join(part.text for part in parts if isinstance(part, TextPart) and part.channel == channel)

    in_words = form == "ollama" or (form == "chat" and path != "")
    stopped = google and bool(refusal) and not stream  # the filter leaves no content
    assert read("thinking") == ("" if way == "chat" or stopped else "".join(script.thoughts))
    assert read("refusal") == ("" if in_words else script.refusal)
    assert read("text") == ("" if stopped else script.text + script.refusal * in_words)
    assert stopped or len(called(parts)) == len(script.calls)
