"""The catalogue: which models each provider has, and what is true of them. The data is in `models.toml`.

A strict catalogue knows these models alone. A lenient one knows every name, and each model takes any length and can do
everything: servers under test have private names and gateways of their own. What a model's bytes depend on (tokenizer,
width of embeddings) is the same in both.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from chatproof.fake_providers.scripting.tokenizer import Vocabulary

Provider = Literal["openai", "gemini", "anthropic", "local"]

_DATA: Final = Path(__file__).with_name("models.toml")
_LONGEST: Final = 200  # characters of a name: names are kept, and a request may have any
_TAG: Final = ":latest"  # a local model's, where a name has none
_HINT: Final = (
    " (The fakes are strict, as the real API is. To accept any model and any length: `strict = False` on the fixture,"
    " `fake_strict = false` in pytest's settings, or no --strict.)"
)
_WIDTHS: Final = {"openai": 1_536, "gemini": 3_072, "anthropic": 0, "local": 3_072}
"""The width of what is no embedding model: asked for an embedding all the same, a lenient catalogue has it give one."""
_OLDER: Final = re.compile(r"gpt-3\.5|gpt-35|gpt-4(?![o.\d])|text-embedding-|davinci|babbage")
"""The models of OpenAI from before o200k, as tiktoken lists them (tiktoken/model.py)."""
_ABSENT: Final = re.compile(r"(?:^|[^a-z])(?:missing|unknown|nonexistent|no-such)(?:$|[^a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `context` and `output` in tokens; None: no limit. `models.toml` explains the other fields."""

    provider: Provider
    name: str
    can: tuple[str, ...] = ()
    context: int | None = None
    output: int | None = None
    tokenizer: Vocabulary = "cl100k"
    width: int = 0
    """How many numbers an embedding has; every model can be asked for one."""
    fixed_width: bool = False
    efforts: tuple[str, ...] = ()
    effort: str = ""
    refuses: tuple[str, ...] = ()
    title: str = ""
    version: str = ""
    family: str = ""
    parameters: str = ""
    count: int = 0
    quantization: str = ""
    size: int = 0
    group: str = ""
    """The first of the names that mean this model."""
    anything: bool = False
    """Nothing that a request wants of this model is refused: it is a lenient catalogue's."""


class Catalogue:
    """Finds models by provider and name."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict: Final = strict
        self.hint: Final = _HINT if strict else ""
        """Follows the real API's text where this catalogue refuses: how to have it accepted."""

    def find(self, provider: Provider, name: str) -> Model | None:
        """The model; None if this provider has none of that name.

        A lenient catalogue has them all, except a local model whose name says that it is not there: a part of it is
        `missing`, `unknown`, `nonexistent` or `no-such-…`, as in `missing-model:7b`.
        """
        shown = name[:_LONGEST]
        return _known(provider, shown) if self.strict else _lenient(provider, shown)


LENIENT: Final = Catalogue()
STRICT: Final = Catalogue(strict=True)


@cache
def listed(provider: Provider) -> tuple[Model, ...]:
    """The provider's models in the order of the file, one for each name."""
    return tuple(model for model in _everything()["models"] if model.provider == provider)


def is_retired(provider: Provider, name: str) -> bool:
    """Whether the provider has shut this model down."""
    return name in _everything()["retired"].get(provider, ())


def says_absent(name: str) -> bool:
    """Whether the name says that there is nothing behind it: a part of it is `missing`, `unknown`, …"""
    return _ABSENT.search(name[:_LONGEST]) is not None


def model_of(provider: Provider, name: str) -> Model:
    """The model; for an unknown name one with the properties that such a model most likely has."""
    return _model_of(provider, name[:_LONGEST])


@lru_cache(maxsize=1024)
def _model_of(provider: Provider, name: str) -> Model:
    if (known := _known(provider, name)) is not None:
        return known
    if provider == "openai":
        tokenizer: Vocabulary = "cl100k" if _OLDER.match(_plain(provider, name)) else "o200k"
        return Model(provider, name, tokenizer=tokenizer, width=_WIDTHS[provider], group=name)
    if provider == "anthropic":
        # Names of gateways say nothing of the release: the oldest listed one thinks only when asked.
        return replace(listed(provider)[-1], name=name, group=name)
    embeds = "embed" in name
    like = next(model for model in listed(provider) if ("embedding" in model.can) is embeds)
    plain = _plain(provider, name)
    return replace(like, name=plain, group=plain, tokenizer="o200k" if "gpt-oss" in name else "cl100k")


@lru_cache(maxsize=1024)
def _lenient(provider: Provider, name: str) -> Model | None:
    if provider == "local" and says_absent(name):
        return None
    return replace(_model_of(provider, name), context=None, output=None, anything=True)


@lru_cache(maxsize=1024)
def _known(provider: Provider, name: str) -> Model | None:
    return _by_name(provider).get(_plain(provider, name))


def _plain(provider: Provider, name: str) -> str:
    """The name as the file has it: a fine-tuned model is like the one it comes from, a local one has a tag."""
    if provider == "openai" and name.startswith("ft:"):
        return name.split(":")[1]
    return name + _TAG if provider == "local" and ":" not in name else name


@cache
def _by_name(provider: Provider) -> dict[str, Model]:
    return {model.name: model for model in listed(provider)}


@cache
def _everything() -> dict[str, Any]:
    data = tomllib.loads(_DATA.read_text(encoding="utf-8"))
    return {"retired": data["retired"], "models": [model for group in data["model"] for model in _models(group)]}


def _models(group: dict[str, Any]) -> list[Model]:
    rest: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in group.items()}
    names = rest.pop("names")
    rest.setdefault("width", _WIDTHS[group["provider"]])
    return [Model(name=name, group=names[0], **rest) for name in names]
