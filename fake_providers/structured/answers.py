"""The scripts of replies that nobody wrote: JSON that conforms to a schema, and calls of a required tool.

Equal requests get the same script object, so that the planner finds their plan again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, Final

from chatproof.fake_providers.scripting.script import Call, Say, Script
from chatproof.fake_providers.structured.regex_text import PatternProblem, read_pattern
from chatproof.fake_providers.structured.schema_nodes import SchemaProblem
from chatproof.fake_providers.structured.smallest_instance import smallest_instance

_MAX_CHARACTERS: Final = 300_000
_SHOWN_KEYS: Final = 12


def json_reply_script(schema: Any) -> Script:
    """A reply whose text is the smallest instance of the schema. SchemaProblem."""
    return _saying(schema_text(schema), False)


def word_reply_script(schema: Any) -> Script:
    """The same, without JSON's quotation marks where the instance is a text."""
    return _saying(schema_text(schema), True)


def matching_reply_script(pattern: str) -> Script:
    """A reply whose whole text matches the regular expression. SchemaProblem."""
    try:
        found = next(read_pattern(f"^(?:{pattern})$").texts(), None)
    except PatternProblem as problem:
        raise SchemaProblem((), str(problem)) from None
    if found is None:
        raise SchemaProblem((), "the fake provider finds no text for the pattern")
    return word_reply_script({"const": found})


def call_script(name: str, parameters: Any, finish_reason: str = "tool_calls") -> Script:
    """A reply that calls the tool, with the smallest arguments that its schema allows. SchemaProblem."""
    return _calling(name, schema_text({} if parameters is None else parameters), finish_reason)


def next_tool(names: Sequence[str], called: Collection[str]) -> str:
    """The tool that a model has to call: the first not `called` since the user spoke, or else the last.

    So an agent that must call a tool in each turn comes to the one that ends its run, which frameworks offer last.
    """
    return next((name for name in names if name not in called), names[-1])


def shown_path(path: Sequence[str]) -> tuple[str, ...]:
    """The path, cut where it is too long for a message."""
    return (*path[:_SHOWN_KEYS], "…") if len(path) > _SHOWN_KEYS else tuple(path)


def schema_text(schema: Any) -> str:
    """The schema as JSON, by which results are cached. SchemaProblem if it is too large."""
    try:
        text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise SchemaProblem((), "the schema is nested too deeply") from None
    if len(text) > _MAX_CHARACTERS:
        raise SchemaProblem((), f"the schema is longer than {_MAX_CHARACTERS:,} characters")
    return text


@lru_cache(maxsize=64)
def _saying(schema: str, bare: bool) -> Script:
    value = smallest_instance(json.loads(schema))
    text = value if bare and isinstance(value, str) else _json(value)
    return Script("", "The smallest instance of the schema that the request gives.", (Say(text=text),))


@lru_cache(maxsize=64)
def _calling(name: str, schema: str, finish_reason: str) -> Script:
    value = smallest_instance(json.loads(schema))
    if not isinstance(value, dict):
        raise SchemaProblem((), "the arguments of a tool must be an object")
    return Script("", "A call of the required tool.", (Call(name, _json(value)),), finish_reason=finish_reason)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
