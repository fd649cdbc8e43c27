"""Stop strings: where they cut a script's text, whatever its tokens and steps are."""

from __future__ import annotations

import pytest

from chatproof.fake_providers.planning.stop_strings import cut_at
from chatproof.fake_providers.scripting.script import Call, Fail, Say, Script, Wait


def script(*steps: Say | Call | Wait | Fail) -> Script:
    return Script("tiny", "x", steps, finish_reason="length")


def text_after(steps: Script, *stops: str) -> str | None:
    cut = cut_at(steps, stops)
    return None if cut is None else "".join(cut.script.tokens)


@pytest.mark.parametrize(
    ("stop", "left"),
    [
        (" two", "One"),  # a token
        ("e tw", "On"),  # it begins and ends inside of tokens
        ("One", ""),  # the beginning
        (", three", "One two"),  # it spans steps
        ("two, three four", "One "),  # and a pause between them
        ("four", "One two, three "),
        ("Two", None),
        ("one", None),
    ],
)
def test_the_text_ends_before_the_first_stop_string(stop: str, left: str | None) -> None:
    whole = script(Say(("One", " two")), Say((",", " thr")), Wait(0.5), Say(("ee", " four")))
    assert text_after(whole, stop) == left


def test_of_several_strings_the_first_in_the_text_counts() -> None:
    whole = script(Say(("One", " two", " three")))
    found = cut_at(whole, ("three", "two", "tw"))
    assert found is not None
    assert (found.string, "".join(found.script.tokens), found.script.finish_reason) == ("two", "One ", "stop")


def test_what_follows_is_not_made() -> None:
    whole = script(Say(("One", " two")), Call("f", "{}"), Say((" three",)), Fail("close"))
    assert cut_at(whole, ("two three",)) is None  # a call is between them
    found = cut_at(whole, ("two",))
    assert found is not None
    assert found.script.steps == (Say(("One", " ")),)
    found = cut_at(whole, ("three",))
    assert found is not None
    assert [type(step) for step in found.script.steps] == [Say, Call, Say]


def test_thoughts_are_not_searched() -> None:
    whole = script(Say(("two",), channel="thinking"), Say(("One", " two")))
    found = cut_at(whole, ("two",))
    assert found is not None
    assert found.script.steps == (Say(("two",), channel="thinking"), Say(("One", " ")))


def test_a_fault_before_it_stays() -> None:
    assert cut_at(script(Say(("One",)), Fail("close"), Say((" two",))), ("two",)) is None
    assert text_after(script(Say(("One",)), Fail("malformed"), Say((" two",))), "two") == "One "
