"""The fakes' own tokenizer: the vocabularies are OpenAI's, and tiktoken splits every text alike."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import tiktoken
import tiktoken_ext.openai_public
from hypothesis import given
from hypothesis import strategies as st

from chatproof.fake_providers.__main__ import main
from chatproof.fake_providers.models.catalogue import Provider, model_of
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.tokenizer import VOCABULARIES, Vocabulary, VocabularyMissing

PUBLISHED: Final[dict[Vocabulary, str]] = {  # the checksums that tiktoken expects of the files it downloads
    "o200k": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
ODD: Final = (
    "Hello", "'s", "'\u017f", "'LL", " ", "  ", "\n", "\r\n", "\t", "1234", "\u0661\u0662", "你好", "мир", "e\u0301",
    "🌍", "👩\u200d👩\u200d👧", "/", "//", "{}", "aB", "iPhone", "\u01c5", "\u02b0", "ª", "नमस्ते", "\u2028", "\x85",
    "\x1c", "\u200b", "ﬁ", "İ", "ß", "X" * 50, "ab" * 40, "あいう", "한국어", "<|endoftext|>", "\x00", "\U00020000",
)  # fmt: skip


@cache
def second_opinion(vocabulary: Vocabulary) -> tiktoken.Encoding:
    """tiktoken itself, with the ranks of our file in place of a download."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda *_, **__: tokenizer.ranks(vocabulary))
        return tiktoken.Encoding(**getattr(tiktoken_ext.openai_public, f"{vocabulary}_base")())


def splits_alike(text: str, vocabulary: Vocabulary) -> None:
    tokens = second_opinion(vocabulary).encode_ordinary(text)
    assert tokenizer.count.__wrapped__(text, vocabulary) == len(tokens)
    whole = tokenizer.split(text, vocabulary)
    assert "".join(whole) == text
    ends = {len("".join(whole[:number]).encode()) for number in range(len(whole) + 1)}
    pieces = second_opinion(vocabulary).decode_tokens_bytes(tokens)
    assert ends <= {len(b"".join(pieces[:number])) for number in range(len(pieces) + 1)}
    assert all(whole)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_the_vocabularies_are_those_that_openai_publishes(vocabulary: Vocabulary) -> None:
    ranks = tokenizer.ranks(vocabulary)
    lines = (b"%b %d\n" % (base64.b64encode(token), rank) for token, rank in ranks.items())
    assert hashlib.sha256(b"".join(lines)).hexdigest() == PUBLISHED[vocabulary]


def texts() -> Iterator[str]:
    yield from ("", "plain words", "日本語の文字", "क्षत्रिय", "\n\n \t", "é e\u0301 𝔘", " \n ", "a" * 3_000)
    for path in sorted((Path(__file__).parents[2] / "docs").glob("*.md")):
        yield path.read_text(encoding="utf-8")[:5_000]
    chance = random.Random(12)
    yield from ("".join(chance.choices(ODD, k=chance.randint(1, 12))) for _ in range(1_500))
    # characters up to Unicode 14 that both libraries know: a newer one may be a letter to only one of them
    yield from (chr(code) + f"a{chr(code)}b 1{chr(code)} {chr(code)}'S" for code in range(0x20, 0x530))


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_tiktoken_splits_every_text_alike(vocabulary: Vocabulary) -> None:
    for text in texts():
        splits_alike(text, vocabulary)


@given(text=st.lists(st.sampled_from(ODD) | st.text(st.characters(max_codepoint=0x52F), max_size=8)).map("".join))
def test_tiktoken_splits_any_text_alike(text: str) -> None:
    for vocabulary in VOCABULARIES:
        splits_alike(text, vocabulary)


def test_half_a_surrogate_pair_is_split_too() -> None:
    assert "".join(tokenizer.split("a \ud83d b")) == "a \ud83d b"
    assert tokenizer.count("a \ud83d b") == 5


def test_counts_are_exact_up_to_a_bound_and_estimated_beyond() -> None:
    assert tokenizer.count("one two three") == 3
    assert tokenizer.count("word " * 20_000) == 20_001
    assert tokenizer.count("word " * 400_000) == pytest.approx(400_000, rel=0.01)


def test_a_missing_vocabulary_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tokenizer.missing() == ""
    monkeypatch.setattr(tokenizer, "_FOLDER", tmp_path)
    with pytest.raises(VocabularyMissing) as found:
        tokenizer.ranks("o200k")
    assert "\n" not in str(found.value)
    assert "o200k is missing" in str(found.value)
    assert "install chatproof again" in str(found.value)
    assert "o200k is missing" in tokenizer.missing()
    assert main(["--port", "0"]) == 2
    assert "o200k is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("provider", "vocabulary", "models"),
    [
        ("openai", "o200k", "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.5-preview gpt-5 gpt-5.1-codex o1 o3-mini o4-mini"),
        ("openai", "o200k", "chatgpt-4o-latest ft:gpt-4o-mini:acme gpt-oss-20b my-deployment"),
        ("openai", "cl100k", "gpt-4 gpt-4-0613 gpt-4-turbo gpt-3.5-turbo gpt-35-turbo ft:gpt-4:x davinci-002"),
        ("openai", "cl100k", "text-embedding-3-small text-embedding-ada-002"),
        ("local", "cl100k", "llama3.2 qwen3:8b gemma3:4b"),
        ("local", "o200k", "gpt-oss:20b openai/gpt-oss-120b"),
        ("gemini", "cl100k", "gemini-2.5-flash"),
    ],
)
def test_every_model_has_a_vocabulary(provider: Provider, vocabulary: Vocabulary, models: str) -> None:
    assert {model_of(provider, model).tokenizer for model in models.split()} == {vocabulary}
