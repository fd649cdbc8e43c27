"""JSON schemas as sets of demands: references followed, `allOf` taken apart, every demand with its path.

Source: JSON Schema 2020-12 (https://json-schema.org/draft/2020-12), with what the providers add: `nullable` and type
names in capitals (OpenAPI, Gemini's Schema), `definitions` (draft 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

Path = tuple[str, ...]
"""The keys and positions that lead from the root of a schema to a part of it."""

ANYTHING: Final[dict[str, Any]] = {}
"""The schema `true`."""
NOTHING: Final[dict[str, Any]] = {"not": {}}
"""The schema `false`."""

_CHOICES: Final = ("anyOf", "oneOf", "if")
_DEMANDS: Final = frozenset({
    "additionalItems", "additionalProperties", "anyOf", "const", "contains", "dependentRequired", "dependentSchemas",
    "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "if", "items", "maxItems", "maxLength", "maxProperties",
    "maximum", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "not", "nullable", "oneOf", "pattern",
    "patternProperties", "prefixItems", "properties", "propertyNames", "propertyOrdering", "required", "type",
    "uniqueItems",
})  # fmt: skip
_MAX_DEMANDS: Final = 1_000


class SchemaProblem(ValueError):
    """Why a schema has no instance, or is no schema. The text has no full stop; `path` says where."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(why)
        self.path = path


class Demand(NamedTuple):
    """A schema that is an object, and where it stands."""

    schema: dict[str, Any]
    path: Path

    def get(self, name: str, kind: type | tuple[type, ...], called: str) -> Any:
        """The value of a keyword; None where it is missing. SchemaProblem if it is not of that kind."""
        value = self.schema.get(name)
        if value is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
            return value
        raise SchemaProblem((*self.path, name), f"'{name}' must be {called}")

    def inner(self, *keys: str | int) -> Demand:
        """The schema under these keys. SchemaProblem if it is none."""
        value: Any = self.schema
        for key in keys:
            value = value[key]
        return as_demand(value, (*self.path, *map(str, keys)))

    def listed(self, name: str) -> list[Demand]:
        """The schemas in an array; empty where the keyword is missing."""
        values = self.get(name, list, "an array")
        return [self.inner(name, index) for index in range(len(values or ()))]

    def words(self, name: str) -> list[str]:
        """The texts in an array; empty where the keyword is missing."""
        values = self.get(name, list, "an array of strings") or []
        if not all(isinstance(value, str) for value in values):
            raise SchemaProblem((*self.path, name), f"'{name}' must be an array of strings")
        return values

    def named(self, name: str) -> dict[str, Any]:
        """An object of schemas; empty where the keyword is missing."""
        found: dict[str, Any] = self.get(name, dict, "an object") or {}
        return found


def as_demand(value: Any, path: Path) -> Demand:
    if isinstance(value, bool):
        return Demand(ANYTHING if value else NOTHING, path)
    if not isinstance(value, dict):
        raise SchemaProblem(path, "a schema must be an object or a boolean")
    return Demand(value, path)


class Node:
    """The demands that one value must meet, all at once. `settled`: the choices (`anyOf`, …) that are made already."""

    def __init__(self, demands: tuple[Demand, ...], settled: frozenset[tuple[int, str]]) -> None:
        self.demands: Final = demands
        self.settled: Final = settled
        self.key: Final = (frozenset(id(demand.schema) for demand in demands), settled)

    @property
    def path(self) -> Path:
        return self.demands[-1].path

    def choice(self) -> tuple[Demand, str] | None:
        """The first choice that is still to be made."""
        for demand in self.demands:
            for name in _CHOICES:
                if demand.schema.get(name) is not None and (id(demand.schema), name) not in self.settled:
                    return demand, name
        return None

    def values(self, name: str, kind: type | tuple[type, ...], called: str) -> Iterator[tuple[Any, Demand]]:
        """The values of a keyword in all demands that have it."""
        for demand in self.demands:
            if (value := demand.get(name, kind, called)) is not None:
                yield value, demand

    def whole(self, name: str) -> Iterator[int]:
        """The values of a keyword that must be whole numbers from 0."""
        for value, demand in self.values(name, (int, float), "a whole number"):
            if value < 0 or value != value or (isinstance(value, float) and not value.is_integer()):
                raise SchemaProblem((*demand.path, name), f"'{name}' must be a whole number from 0")
            yield int(value)

    def sizes(self, least: str, most: str) -> tuple[int, int | None]:
        """The bounds that two keywords give, such as `minItems` and `maxItems`. SchemaProblem if nothing is between."""
        low, high = max(self.whole(least), default=0), min(self.whole(most), default=None)
        if high is not None and low > high:
            raise SchemaProblem(self.path, f"'{least}' {low} is above '{most}' {high}")
        return low, high


class Schemas:
    """The schema of a request: finds what references lead to."""

    def __init__(self, root: Any) -> None:
        self.root: Final = as_demand(root, ())
        self._found: dict[str, Demand] = {}

    def node(self, demands: Iterable[Demand], settled: frozenset[tuple[int, str]] = frozenset()) -> Node:
        """The demands with all that their `$ref` and `allOf` add. SchemaProblem if a reference comes back to itself."""
        left: list[tuple[Demand, frozenset[int]]] = [(demand, frozenset()) for demand in reversed(list(demands))]
        first = left[-1][0]
        taken: dict[int, Demand] = {}
        while left:
            demand, above = left.pop()
            if id(demand.schema) in above:
                raise SchemaProblem(demand.path, "the schema refers to itself without end")
            if id(demand.schema) in taken:
                continue
            if len(taken) > _MAX_DEMANDS:
                raise SchemaProblem(demand.path, "too many references and 'allOf' in one place")
            taken[id(demand.schema)] = demand
            above |= {id(demand.schema)}
            added = demand.listed("allOf")
            if (reference := demand.get("$ref", str, "a string")) is not None:
                added.insert(0, self.resolved(reference, demand.path))
            left += [(one, above) for one in reversed(added)]
        kept = tuple(
            demand
            for demand in taken.values()
            if any(name in _DEMANDS and (id(demand.schema), name) not in settled for name in demand.schema)
        )
        return Node(kept or (first,), settled)

    def resolved(self, reference: str, path: Path) -> Demand:
        """Where a `$ref` leads: a JSON pointer or an `$anchor` in the same schema. SchemaProblem if nowhere."""
        if (known := self._found.get(reference)) is not None:
            return known
        target = None
        if reference in ("", "#") or reference.startswith("#/"):
            target = self._pointed(unquote(reference[1:]))
        elif reference.startswith("#"):
            target = next((demand for demand in self._all() if demand.schema.get("$anchor") == reference[1:]), None)
        if target is None:
            raise SchemaProblem((*path, "$ref"), f"$ref '{reference[:200]}' leads nowhere in this schema")
        self._found[reference] = target
        return target

    def _pointed(self, pointer: str) -> Demand | None:
        value: Any = self.root.schema
        path: list[str] = []
        for part in pointer.split("/")[1:]:
            key: Any = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, dict) and key in value:
                value = value[key]
            else:
                return None
            path.append(key)
        return as_demand(value, tuple(path)) if isinstance(value, dict | bool) else None

    def _all(self) -> Iterator[Demand]:
        left: list[tuple[Any, Path]] = [(self.root.schema, ())]
        while left:
            value, path = left.pop()
            if isinstance(value, dict):
                yield Demand(value, path)
            inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            left += [(one, (*path, str(key))) for key, one in inner]
