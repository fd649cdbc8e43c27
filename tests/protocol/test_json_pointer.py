"""JSON pointers, by RFC 6901."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.harness.protocol.apis.json_pointer import ABSENT, Pointer

DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
    "01": {"-": None},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/01/-", None),
        ("/foo/2", ABSENT),
        ("/foo/00", ABSENT),
        ("/foo/-", ABSENT),
        ("/foo/-1", ABSENT),
        ("/foo/0/0", ABSENT),
        ("/foo/99999999999999999999", ABSENT),
        ("/nothing", ABSENT),
        ("/foo/", ABSENT),
    ],
)
def test_it_finds_what_the_standard_says(text: str, value: object) -> None:
    found = Pointer.parse(text).find(DOCUMENT)
    assert found is value or (value is not ABSENT and found == value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("$.choices[0].delta", "'/choices/0/delta'"),
        ("text", "'/text'"),
        ("#/text", "slash"),
        ("/a~2", "~0"),
        ("/a~", "~0"),
    ],
)
def test_what_is_none_is_refused_with_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match="is no JSON pointer") as caught:
        Pointer.parse(text)
    assert hint in str(caught.value)


def test_keys_become_a_pointer() -> None:
    assert Pointer.to("a/b", 0, "m~n") == Pointer.parse("/a~1b/0/m~0n")
    assert Pointer.to().text == ""
