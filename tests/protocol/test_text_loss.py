"""What a text lost on its way, in words."""

from __future__ import annotations

import pytest

from chatproof.harness.protocol.text_loss import loss

LONG = "".join(f"{number} " for number in range(2_000))


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        ("", "all", "nothing of its 3 characters came"),
        ("One two", "One two three", "it ends after 7 of its 13 characters, before ' three'"),
        ("two three", "One two three", "it begins 4 characters late, with 'two three'"),
        ("a b", "a  b", "' ' is missing; first behind 'a '"),
        ("x &lt; y", "x < y", "'<' became '&lt;'; first behind 'x '"),
        ("a &amp; b", "a & b", "'amp;' was added; first behind 'a &'"),
        ("say yes", 'say "yes"', "'\"' is missing (2 times); first behind 'say '"),
        ("what? ?", "what🙂 🎉", "'🙂' became '?', '🎉' became '?'; first behind 'what'"),
        ("it: a b", "a b", "'it: ' was added; first behind ''"),
        ("One two three!", "One two three", "'!' was added; first behind 'One two three'"),
        ("bdfhjlnprtvx", "abcdefghijklmnopqrstuvwx", "'a' is missing"),
    ],
)
def test_a_loss_is_told(got: str, wanted: str, said: str) -> None:
    assert said in loss(got, wanted)


def test_many_changes_are_counted() -> None:
    assert ", and 6 more; first behind ''" in loss("bdfhjlnprtvx", "abcdefghijklmnopqrstuvwx")


def test_a_long_hole_is_told_by_its_place() -> None:
    told = loss(LONG[:500] + LONG[2_500:], LONG)
    assert told.startswith(f"{len(LONG) - 2_000} of {len(LONG)} characters; it differs at character 50")


def test_a_long_text_that_is_cut_is_told_by_its_end() -> None:
    assert loss(LONG[:4_000], LONG).startswith(f"it ends after 4000 of its {len(LONG)} characters, before ")
