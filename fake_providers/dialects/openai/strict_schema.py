"""Schemas as OpenAI's strict mode takes them, and the error texts of those that it refuses.

Source: https://developers.openai.com/api/docs/guides/structured-outputs (supported schemas), and refusals that issues
quote: dottxt-ai/outlines#844 (additionalProperties), kevinwatt/mysql-mcp#5 (required),
makenotion/notion-mcp-server#117 (allOf), langchain-ai/langchainjs#11381 ($ref), browserbase/stagehand#1159 (type).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.structured.answers import schema_text, shown_path
from chatproof.fake_providers.structured.schema_nodes import Demand, Path, SchemaProblem, Schemas

_FORBIDDEN: Final = (
    "allOf", "dependentRequired", "dependentSchemas", "else", "if", "not", "oneOf", "propertyNames", "then",
    "uniqueItems",
)  # fmt: skip
_TYPED: Final = frozenset({"type", "anyOf", "enum", "const"})
_MAX_PROPERTIES: Final = 5_000
_MAX_LEVELS: Final = 10
_MAX_ENUM: Final = 1_000


class SchemaPlace(NamedTuple):
    """A schema of a request, as its errors name it.

    `called`: "response_format 'NAME'" or "function 'NAME'"; `param`, `code`: of the error object.
    """

    called: str
    param: str
    code: str | None

    def problem(self, path: Path, why: str) -> Problem:
        """The error for what is wrong at the path."""
        return Problem(
            f"Invalid schema for {self.called}: In context={shown_path(path)}, {why}.", self.param, self.code
        )

    def strict_problem(self, schema: Any) -> Problem | None:
        """What strict mode refuses in the schema; None if it takes it."""
        try:
            refused = _refused(schema_text(schema))
        except SchemaProblem as problem:
            return self.problem(problem.path, str(problem))
        if refused is None:
            return None
        return Problem(f"Invalid schema for {self.called}: {refused}", self.param, self.code)


@lru_cache(maxsize=64)
def _refused(text: str) -> str | None:
    schema = json.loads(text)
    root = schema if isinstance(schema, dict) else {}
    if (kind := root.get("type")) != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    schemas, properties, words = Schemas(root), 0, 0
    left: list[tuple[Any, Path, int]] = [(root, (), 0)]
    while left:
        part, path, level = left.pop()
        if not isinstance(part, dict):
            return f"In context={shown_path(path)}, a schema must be an object."
        if (why := _part_refused(schemas, Demand(part, path))) is not None:
            return why
        properties += len(part.get("properties") or ())
        words += len(part.get("enum") or ())
        if level > _MAX_LEVELS:
            return f"{level} levels of nesting exceeds limit of {_MAX_LEVELS}."
        left += reversed(_inner(part, path, level))
    if properties > _MAX_PROPERTIES:
        return f"{properties} parameters exceeds limit of {_MAX_PROPERTIES}."
    if words > _MAX_ENUM:
        return (
            f"Expected at most {_MAX_ENUM} enum values in total within a single schema when using structured outputs,"
            f" but received {words}. Consider reducing the number of enums, or use 'strict: false' to opt out of"
            " structured outputs."
        )
    return None


def _part_refused(schemas: Schemas, demand: Demand) -> str | None:
    """What is wrong with one part of the schema, apart from its inner ones."""
    part, context = demand.schema, f"context={shown_path(demand.path)}"
    if isinstance(reference := part.get("$ref"), str):
        more = sorted(part.keys() - {"$ref", "$defs", "definitions"})
        if more:
            return f"{context}, $ref cannot have keywords {{{', '.join(map(repr, more))}}}."
        try:
            schemas.resolved(reference, demand.path)
        except SchemaProblem:
            return f"In {context}, reference to component '{reference[:200]}' which was not found in the schema."
        return None
    for word in _FORBIDDEN:
        if word in part:
            return f"In {context}, '{word}' is not permitted."
    for word, kind in (("properties", dict), ("$defs", dict), ("anyOf", list), ("enum", list)):
        if word in part and not isinstance(part[word], kind):
            return f"In {context}, '{word}' must be {'an object' if kind is dict else 'an array'}."
    if _TYPED.isdisjoint(part):
        return f"In {context}, schema must have a 'type' key."
    types = part.get("type")
    types = types if isinstance(types, list) else [types]
    if "array" in types and "items" not in part:
        return f"In {context}, array schema missing items."
    return _object_refused(part, context) if "object" in types else None


def _object_refused(part: dict[str, Any], context: str) -> str | None:
    if part.get("additionalProperties") is not False:
        return f"In {context}, 'additionalProperties' is required to be supplied and to be false."
    names, required = list(part.get("properties") or ()), part.get("required")
    required = required if isinstance(required, list) else []
    for name in names:
        if name not in required:
            supplied = "'required' is required to be supplied and to be an array including every key in properties."
            return f"In {context}, {supplied} Missing '{name[:100]}'."
    for name in required:
        if name not in names:
            every = "'required' must be an array that includes every key in `properties`."
            return f"In {context}, {every} Extra required key '{str(name)[:100]}' supplied."
    return None


def _inner(part: dict[str, Any], path: Path, level: int) -> list[tuple[Any, Path, int]]:
    """The schemas within a part, and how deep they are nested. Definitions begin anew; an `anyOf` is no level."""
    found = [(one, (*path, "properties", name), level + 1) for name, one in (part.get("properties") or {}).items()]
    if "items" in part:
        found.append((part["items"], (*path, "items"), level + 1))
    found += [(one, (*path, "anyOf", str(at)), level) for at, one in enumerate(part.get("anyOf") or ())]
    for name in ("$defs", "definitions"):
        defined = part.get(name)
        found += [(one, (*path, name, key), 0) for key, one in (defined if isinstance(defined, dict) else {}).items()]
    return found
