"""Files of messages, as people and data sets have them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.prompt_file import read_messages

TURNS = {"messages": [{"role": "user", "content": "one"}, {"role": "assistant"}, {"role": "user", "content": "two"}]}


def test_one_message_a_line(tmp_path: Path) -> None:
    (tmp_path / "said").write_text('say "hi"\n\n  {"prompt": 1}\n')
    assert read_messages(str(tmp_path / "said")) == ('say "hi"', '{"prompt": 1}')


def test_lines_of_json(tmp_path: Path) -> None:
    rows = ["plain\n\u2028text", {"prompt": "vLLM", "output_tokens": 9}, {"text": "aiperf"}, {"message": "ours"}, TURNS]
    (tmp_path / "said.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    assert read_messages(str(tmp_path / "said.jsonl")) == ("plain\n\u2028text", "vLLM", "aiperf", "ours", "two")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("7", "has no text"),
        ("{}", "has no text"),
        ('{"prompt": ["a"]}', "has no text"),
        ('{"prompt": " "}', "has no text"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "has no text"),
        ('{"messages": [{"role": "user", "content": [{"type": "text"}]}]}', "has no text"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "said.jsonl"
    path.write_text(f'"fine"\n{line}\n')
    with pytest.raises(ChatproofError, match=f"said.jsonl: message 2 {said}") as failure:
        read_messages(str(path))
    assert "\n" not in str(failure.value)
