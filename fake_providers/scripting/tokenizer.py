"""Splitting text into tokens as OpenAI's models do, without the network: byte pair encoding.

Each vocabulary is a file of the package (`fake_providers/vocabularies/`) and a pattern. The pattern cuts a text into
words; a word that is no token starts as its bytes, and the pair of neighbours that is the earliest token of the
vocabulary is joined, again and again. Source: github.com/openai/tiktoken, whose results the tests compare.
"""

from __future__ import annotations

from functools import cache, lru_cache
from heapq import heapify, heappop, heappush
from itertools import accumulate, pairwise
from pathlib import Path
from threading import Lock
from typing import Final, Literal, get_args

import regex

Vocabulary = Literal["o200k", "cl100k"]
"""OpenAI's o200k_base (gpt-4o and everything later), and cl100k_base (gpt-4, gpt-3.5-turbo, the embedding models)."""
VOCABULARIES: Final[tuple[Vocabulary, ...]] = get_args(Vocabulary)

_FOLDER: Final = Path(__file__).parent.parent / "vocabularies"
_EXACT_CHARACTERS: Final = 100_000
_SAMPLE: Final = 20_000
_LENIENT: Final = ("utf-8", "surrogatepass")  # a recorded reply may hold half a surrogate pair
_LOADING: Final = Lock()  # a server loads them in a thread beside
_PATTERNS: Final[dict[Vocabulary, str]] = {
    "cl100k": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++\Z|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


class VocabularyMissing(RuntimeError):
    """A vocabulary's file cannot be read. One line that says what to do."""


def split(text: str, vocabulary: Vocabulary = "o200k") -> tuple[str, ...]:
    """The tokens of `text`; joined they give `text` again.

    A token may hold a part of a character (an emoji is often three tokens). Providers send whole
    characters only, so such tokens are joined until they are whole.
    """
    encoding = _encoding(vocabulary)
    tokens: list[str] = []
    for word in encoding.words.findall(text):
        held = b""
        for piece in encoding.pieces(word.encode(*_LENIENT)):
            held += piece
            try:
                tokens.append(held.decode(*_LENIENT))
            except UnicodeDecodeError:
                continue
            held = b""
    return tuple(tokens)


@lru_cache(maxsize=1024)
def count(text: str, vocabulary: Vocabulary = "o200k") -> int:
    """How many tokens `text` has. Past 100,000 characters it is estimated from the first 20,000, so that no request
    stalls the others.
    """
    if len(text) > _EXACT_CHARACTERS:
        return len(text) * count(text[:_SAMPLE], vocabulary) // _SAMPLE
    encoding = _encoding(vocabulary)
    return sum(len(encoding.pieces(word.encode(*_LENIENT))) for word in encoding.words.findall(text))


def load() -> None:
    """Load both vocabularies, so that no request waits for it. Takes 0.2 s. VocabularyMissing."""
    for name in VOCABULARIES:
        _encoding(name)


def missing() -> str:
    """What is wrong with the files of the vocabularies: one line, or nothing."""
    return next((_lacks(name, "no such file") for name in VOCABULARIES if not _path(name).is_file()), "")


def ranks(name: Vocabulary) -> dict[bytes, int]:
    """The tokens of a vocabulary with their ranks, 0 for the first. VocabularyMissing.

    The file: the number of tokens in four bytes, the length of each token in one byte, and the tokens, by rank.
    """
    try:
        data = _path(name).read_bytes()
    except OSError as problem:
        raise VocabularyMissing(_lacks(name, problem.strerror)) from problem
    size = int.from_bytes(data[:4], "big")
    edges = list(accumulate(data[4 : 4 + size], initial=4 + size))
    return dict(zip(map(data.__getitem__, map(slice, edges, edges[1:])), range(size), strict=True))


def _path(name: Vocabulary) -> Path:
    return _FOLDER / f"{name}.tokens"


def _lacks(name: Vocabulary, reason: str | None) -> str:
    path = _path(name)
    return f"the vocabulary {name} is missing ({path}: {reason}). It is a part of chatproof: install chatproof again"


class _Encoding:
    """A loaded vocabulary: its tokens by rank, the pattern of its words, and the pieces of words met before."""

    def __init__(self, name: Vocabulary) -> None:
        self.words: Final = regex.compile(_PATTERNS[name])
        self._ranks: Final = ranks(name)
        self._split: Final = lru_cache(maxsize=20_000)(self._joined)

    def pieces(self, word: bytes) -> tuple[bytes, ...]:
        """The tokens of a word."""
        return (word,) if word in self._ranks else self._split(word)

    def _joined(self, word: bytes) -> tuple[bytes, ...]:
        """The tokens of a word that is none itself. With a heap, so that the time grows with the word's length."""
        ranks, size = self._ranks, len(word)
        ends = list(range(1, size + 1))  # of the part that begins at each place; 0: none begins there any more
        starts = list(range(-1, size))  # of the part that ends at each place
        heap = [(rank, at, at + 2) for at in range(size - 1) if (rank := ranks.get(word[at : at + 2])) is not None]
        heapify(heap)
        while heap:
            _, start, end = heappop(heap)
            middle = ends[start]
            if not middle or middle == size or ends[middle] != end:
                continue  # one of the two has been joined with another part meanwhile
            ends[start], ends[middle], starts[end] = end, 0, start
            before, after = starts[start], ends[end] if end < size else 0
            if before >= 0 and (rank := ranks.get(word[before:end])) is not None:
                heappush(heap, (rank, before, end))
            if after and (rank := ranks.get(word[start:after])) is not None:
                heappush(heap, (rank, start, after))
        edges = [at for at in range(size) if ends[at]]
        return tuple(word[start:end] for start, end in pairwise([*edges, size]))


def _encoding(name: Vocabulary) -> _Encoding:
    with _LOADING:
        return _loaded(name)


@cache
def _loaded(name: Vocabulary) -> _Encoding:
    return _Encoding(name)
