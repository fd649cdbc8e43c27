"""The checks that are special to Socket.IO."""

from __future__ import annotations

import pytest

from chatproof.harness.protocol.checks.sio import kept_by_an_upgrade
from tests.protocol.kit import is_kept, socket, violated

TEXT = "one two three"
TOKENS = [("chat_token", {"token": text, "count": count}) for count, text in enumerate(("one", " two", " three"), 1)]
COMPLETE = ("chat_complete", {"tokens": 3})
MOVED = 101.5  # behind the first event


def test_a_whole_reply_is_kept_by_an_upgrade() -> None:
    assert is_kept(kept_by_an_upgrade(TEXT, MOVED), socket([*TOKENS, COMPLETE]))
    assert is_kept(kept_by_an_upgrade(None, MOVED), socket([*TOKENS, COMPLETE]))


@pytest.mark.parametrize(
    ("events", "seen"),
    [
        ([TOKENS[0], TOKENS[0], *TOKENS[1:], COMPLETE], "token 1 came twice: 1 token came before the move"),
        ([TOKENS[0], TOKENS[2], COMPLETE], "token 2 never came: 1 token came before the move"),
        ([TOKENS[2], COMPLETE], "tokens 1 to 2 never came: "),
        ([TOKENS[0], TOKENS[2], TOKENS[1], COMPLETE], "token 2 came after later ones: "),
        (TOKENS[:1], "nothing came after the move: "),
        (TOKENS, "the reply was not completed after the move: "),
        ([*TOKENS[:2], COMPLETE], "differs at character 7 (of 7, wanted 13)"),
    ],
)
def test_what_an_upgrade_did_to_a_reply_is_told(events: list[tuple[str, dict[str, object]]], seen: str) -> None:
    (found,) = violated(kept_by_an_upgrade(TEXT, MOVED), socket(events))
    assert seen in found
