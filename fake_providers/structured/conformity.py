"""Whether a JSON value conforms to a schema: for what cannot be known before a value is made (`not`, `oneOf`, …).

Source: JSON Schema 2020-12, Validation. `format` is an annotation there and is not looked at.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from chatproof.fake_providers.structured.regex_text import PatternProblem, read_pattern
from chatproof.fake_providers.structured.schema_nodes import Demand, Path, SchemaProblem, Schemas

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int, float),
}
TYPES: Final = tuple(_TYPES)
_MAX_DEPTH: Final = 100
_MAX_CHECKS: Final = 100_000


def type_names(demand: Demand) -> list[str] | None:
    """The types that a schema allows, in lower case; None where it does not say."""
    given = demand.schema.get("type")
    names = [given] if isinstance(given, str) else given
    if names is None:
        return None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise SchemaProblem((*demand.path, "type"), "'type' must be the name of a type or an array of names")
    lower = [name.lower() for name in names if name != "TYPE_UNSPECIFIED"]
    for name in lower:
        if name not in _TYPES:
            raise SchemaProblem((*demand.path, "type"), f"'{name[:64]}' is not valid under any of the given schemas")
    return [*lower, "null"] if lower and demand.schema.get("nullable") is True else lower or None


def canonical(value: Any) -> str:
    """A text that equal JSON values share: 1 and 1.0 are equal, 1 and true are not."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def finds(pattern: Any, text: str, path: Path) -> bool:
    """Whether a schema's pattern is found in the text. SchemaProblem for a pattern that cannot be read."""
    if not isinstance(pattern, str):
        raise SchemaProblem(path, "a pattern must be a string")
    try:
        return read_pattern(pattern).matches(text)
    except PatternProblem as problem:
        raise SchemaProblem(path, str(problem)) from None


class Conformity:
    """Checks values against parts of one schema."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._checks = 0
        self._words: dict[int, set[str]] = {}

    def holds(self, value: Any, demand: Demand, depth: int = 0) -> bool:
        """Whether the value conforms. SchemaProblem where the schema is wrong, or too complex to say."""
        self._checks += 1
        if depth > _MAX_DEPTH or self._checks > _MAX_CHECKS:
            raise SchemaProblem(demand.path, "the schema is too complex for the fake provider")
        types = type_names(demand)
        if types is not None and not any(_is(value, name) for name in types):
            return False
        if "const" in demand.schema and canonical(value) != canonical(demand.schema["const"]):
            return False
        checks = [check for name, check in _KEYWORDS.items() if demand.schema.get(name) is not None]
        return all(check(self, value, demand, depth + 1) for check in (*checks, *_BY_TYPE))

    def _reference(self, value: Any, demand: Demand, depth: int) -> bool:
        return self.holds(value, self._schemas.resolved(demand.schema["$ref"], demand.path), depth)

    def _all_of(self, value: Any, demand: Demand, depth: int) -> bool:
        return all(self.holds(value, one, depth) for one in demand.listed("allOf"))

    def _any_of(self, value: Any, demand: Demand, depth: int) -> bool:
        return any(self.holds(value, one, depth) for one in demand.listed("anyOf"))

    def _one_of(self, value: Any, demand: Demand, depth: int) -> bool:
        return sum(self.holds(value, one, depth) for one in demand.listed("oneOf")) == 1

    def _not(self, value: Any, demand: Demand, depth: int) -> bool:
        return not self.holds(value, demand.inner("not"), depth)

    def _if(self, value: Any, demand: Demand, depth: int) -> bool:
        then = "then" if self.holds(value, demand.inner("if"), depth) else "else"
        return then not in demand.schema or self.holds(value, demand.inner(then), depth)

    def _enum(self, value: Any, demand: Demand, depth: int) -> bool:
        words = demand.get("enum", list, "an array")
        if id(words) not in self._words:
            self._words[id(words)] = set(map(canonical, words))
        return canonical(value) in self._words[id(words)]

    def _numbers(self, value: Any, demand: Demand, depth: int) -> bool:
        if not _is(value, "number"):
            return True
        exact = Fraction(str(value))
        bounds = ((test, number(demand, name)) for name, test in _BOUNDS.items())
        return all(bound is None or test(exact, bound) for test, bound in bounds)

    def _texts(self, value: Any, demand: Demand, depth: int) -> bool:
        if not isinstance(value, str):
            return True
        pattern = demand.schema.get("pattern")
        return _within(len(value), demand, "minLength", "maxLength") and (
            pattern is None or finds(pattern, value, (*demand.path, "pattern"))
        )

    def _arrays(self, value: Any, demand: Demand, depth: int) -> bool:
        if not isinstance(value, list):
            return True
        if not _within(len(value), demand, "minItems", "maxItems"):
            return False
        if demand.schema.get("uniqueItems") is True and len(set(map(canonical, value))) < len(value):
            return False
        inner = (item_of(demand, index) for index in range(len(value)))
        if not all(at is None or self.holds(one, at, depth) for one, at in zip(value, inner, strict=True)):
            return False
        if "contains" not in demand.schema:
            return True
        found = sum(self.holds(one, demand.inner("contains"), depth) for one in value)
        return _within(found, demand, "minContains", "maxContains") and (found > 0 or "minContains" in demand.schema)

    def _objects(self, value: Any, demand: Demand, depth: int) -> bool:
        if not isinstance(value, dict):
            return True
        depending = Demand(demand.named("dependentRequired"), (*demand.path, "dependentRequired"))
        needed = demand.words("required") + [
            one for name in depending.schema if name in value for one in depending.words(name)
        ]
        if not _within(len(value), demand, "minProperties", "maxProperties") or any(one not in value for one in needed):
            return False
        inner = [(value[name], at) for name in value for at in properties_of(demand, name)]
        if "propertyNames" in demand.schema:
            inner += [(name, demand.inner("propertyNames")) for name in value]
        others = demand.named("dependentSchemas")
        inner += [(value, demand.inner("dependentSchemas", name)) for name in others if name in value]
        return all(self.holds(one, at, depth) for one, at in inner)


_KEYWORDS: Final[dict[str, Callable[[Conformity, Any, Demand, int], bool]]] = {
    "$ref": Conformity._reference,
    "allOf": Conformity._all_of,
    "anyOf": Conformity._any_of,
    "oneOf": Conformity._one_of,
    "not": Conformity._not,
    "if": Conformity._if,
    "enum": Conformity._enum,
}

_BY_TYPE: Final = (Conformity._numbers, Conformity._texts, Conformity._arrays, Conformity._objects)
_BOUNDS: Final[dict[str, Callable[[Fraction, Fraction], bool]]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
    "multipleOf": lambda exact, step: (exact / step).denominator == 1,
}


def number(demand: Demand, name: str) -> Fraction | None:
    """The exact value of a keyword that must be a number; None where it is missing."""
    value = demand.get(name, (int, float), "a number")
    if value is None:
        return None
    if value != value or value in (math.inf, -math.inf) or (name == "multipleOf" and value <= 0):
        raise SchemaProblem((*demand.path, name), f"'{name}' is out of range")
    return Fraction(str(value))


def item_of(demand: Demand, index: int) -> Demand | None:
    """The schema of an array's item; None where the demand demands nothing of it. Draft 7's `items` may be an array."""
    first = "prefixItems" if "prefixItems" in demand.schema else "items"
    prefix = demand.schema.get(first)
    if isinstance(prefix, list) and index < len(prefix):
        return demand.inner(first, index)
    rest = "items" if first == "prefixItems" else "additionalItems" if isinstance(prefix, list) else "items"
    return demand.inner(rest) if demand.schema.get(rest) is not None else None


def properties_of(demand: Demand, name: str) -> list[Demand]:
    """The schemas of an object's property; none where the demand demands nothing of it."""
    found = [demand.inner("properties", name)] if name in demand.named("properties") else []
    for pattern in demand.named("patternProperties"):
        if finds(pattern, name, (*demand.path, "patternProperties", pattern)):
            found.append(demand.inner("patternProperties", pattern))
    if not found and demand.schema.get("additionalProperties") is not None:
        found.append(demand.inner("additionalProperties"))
    return found


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    fits = isinstance(value, _TYPES[kind])
    return fits and (kind != "integer" or isinstance(value, int) or value.is_integer())


def _within(size: int, demand: Demand, least: str, most: str) -> bool:
    low, high = number(demand, least), number(demand, most)
    return (low is None or size >= low) and (high is None or size <= high)
