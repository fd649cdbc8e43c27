"""The smallest JSON value that a schema allows: what the fakes answer where structured output is asked for.

The smallest is null where that is allowed, else the one with the shortest JSON text: required properties only, no items
beyond `minItems`, the shortest branch of an `anyOf`, the shortest word of an `enum`; false for a boolean and {} where
everything is allowed. Of equally short ones the schema's first is taken: the same schema always gives the same value.
Null comes first since clients cut schemas: what is left of a recursive optional part allows {}, which they then refuse.

A recursive schema is solved in rounds: what a part needs of a part that is being made is taken from the round before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.structured import keywords
from chatproof.fake_providers.structured.conformity import (
    Conformity,
    canonical,
    finds,
    item_of,
    properties_of,
)
from chatproof.fake_providers.structured.regex_text import PatternProblem, read_pattern
from chatproof.fake_providers.structured.scalars import numbers, texts
from chatproof.fake_providers.structured.schema_nodes import ANYTHING, NOTHING, Demand, Node, SchemaProblem, Schemas

_MAX_DEPTH: Final = 60
_MAX_ROUNDS: Final = 30
_MAX_STEPS: Final = 10_000
_MAX_SIZE: Final = 100_000
_MAX_ITEMS: Final = 10_000
_MAX_TRIES: Final = 200

_CHECKED: Final = ("not", "oneOf", "if", "contains", "dependentSchemas")
"""What the making does not see to; a value is checked afterwards."""

_ENDLESS: Final = "the schema is recursive without end"
_TOO_DEEP: Final = f"an instance would be nested more than {_MAX_DEPTH} levels deep"


class _Instance(NamedTuple):
    """A value, and the length of its JSON text without white space; null has the length 0."""

    size: int
    value: Any


def smallest_instance(schema: Any) -> Any:
    """The smallest instance of a JSON Schema. SchemaProblem if it has none, or one that is too large to make."""
    maker = _Maker(Schemas(schema))
    try:
        return maker.made().value
    except RecursionError:
        raise SchemaProblem((), _TOO_DEEP) from None


class _Maker:
    """Makes instances of the parts of one schema."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._conformity = Conformity(schemas)
        self._best: dict[Any, _Instance] = {}
        self._round: dict[Any, _Instance | SchemaProblem] = {}
        self._open: set[Any] = set()
        self._unsettled = self._better = False
        self._steps = 0

    def made(self) -> _Instance:
        root = self._schemas.node([self._schemas.root])
        for _ in range(_MAX_ROUNDS):
            self._round.clear()
            self._unsettled = self._better = False
            problem = None
            try:
                instance = self._smallest(root)
            except SchemaProblem as found:
                problem = found
            if not (self._unsettled and self._better):
                break
        if problem is not None:
            raise problem
        return instance

    def _smallest(self, node: Node) -> _Instance:
        key = node.key
        known = self._round.get(key)
        if known is None:
            if key in self._open or len(self._open) >= _MAX_DEPTH:
                self._unsettled = True
                if key in self._best:
                    return self._best[key]
                raise SchemaProblem(node.path, _ENDLESS if key in self._open else _TOO_DEEP)
            self._open.add(key)
            known = self._round[key] = self._tried(node)
            self._open.discard(key)
        if isinstance(known, SchemaProblem):
            raise known.with_traceback(None)
        return known

    def _tried(self, node: Node) -> _Instance | SchemaProblem:
        before = self._best.get(node.key)
        self._steps += len(node.demands)
        try:
            if self._steps > _MAX_STEPS:
                raise SchemaProblem(node.path, "the schema is too complex for the fake provider")
            found = next(self._accepted(node), None)
        except SchemaProblem as problem:
            return before or problem
        if found is None:
            return before or SchemaProblem(node.path, "the fake provider finds no value that meets all demands")
        if before is not None and before.size <= found.size:
            return before
        self._best[node.key], self._better = found, True
        return found

    def _instances(self, node: Node) -> Iterator[_Instance]:
        """Different instances, the smallest first."""
        given = set()
        for one in chain((self._smallest(node),), self._accepted(node)):
            if (text := canonical(one.value)) not in given:
                given.add(text)
                yield one

    def _accepted(self, node: Node) -> Iterator[_Instance]:
        checked = [demand for demand in node.demands if not demand.schema.keys().isdisjoint(_CHECKED)]
        refused = 0
        for one in self._candidates(node):
            if one.size > _MAX_SIZE:
                raise SchemaProblem(node.path, f"its smallest instance is longer than {_MAX_SIZE:,} characters")
            if all(self._conformity.holds(one.value, demand) for demand in checked):
                yield one
            elif (refused := refused + 1) >= _MAX_TRIES:
                return

    def _candidates(self, node: Node) -> Iterator[_Instance]:
        """Values, the smallest first, that conform but for what `_CHECKED` names."""
        if any(demand.schema == NOTHING for demand in node.demands):
            raise SchemaProblem(node.path, "nothing is allowed there")
        if (choice := node.choice()) is not None:
            return self._chosen(node, *choice)
        if (listed := keywords.listed(node)) is not None:
            values, others = listed
            held = [one for one in values if all(self._conformity.holds(one, demand) for demand in others)]
            if not held:
                raise SchemaProblem(node.path, "no value of 'enum' or 'const' meets the other demands")
            return iter(sorted(map(_plain, held), key=lambda one: one.size))
        return _merged(node, [self._of_type(node, name) for name in keywords.types(node)])

    def _chosen(self, node: Node, demand: Demand, name: str) -> Iterator[_Instance]:
        settled = node.settled | {(id(demand.schema), name)}
        if name == "if":
            condition, then = demand.inner("if"), [demand.inner("then")] if "then" in demand.schema else []
            branches = [[condition, *then], [demand.inner("else")] if "else" in demand.schema else []]
        else:
            branches = [[branch] for branch in demand.listed(name)]
        ways = []
        for branch in branches:
            ways.append(self._branch(node, branch, settled))
        if not ways:
            raise SchemaProblem((*demand.path, name), f"'{name}' has no schemas")
        return _merged(node, ways)

    def _branch(self, node: Node, added: list[Demand], settled: frozenset[tuple[int, str]]) -> Iterator[_Instance]:
        yield from self._instances(self._schemas.node([*node.demands, *added], settled))

    def _of_type(self, node: Node, name: str) -> Iterator[_Instance]:
        if name == "object":
            return self._objects(node)
        if name == "array":
            return self._arrays(node)
        scalars: dict[str, Callable[[], Iterator[Any]]] = {
            "string": lambda: texts(node),
            "number": lambda: numbers(node, whole=False),
            "integer": lambda: numbers(node, whole=True),
            "boolean": lambda: iter((False, True)),
            "null": lambda: iter((None,)),
        }
        return map(_plain, scalars[name]())

    def _objects(self, node: Node) -> Iterator[_Instance]:
        low, high = node.sizes("minProperties", "maxProperties")
        declared = keywords.declared(node)
        needed = keywords.needed(node)
        order = [name for name in declared if name in needed] + [name for name in needed if name not in declared]
        if high is not None and len(order) > high:
            raise SchemaProblem(node.path, f"'required' names {len(order)} properties, and 'maxProperties' is {high}")
        base = {name: self._smallest(self._property(node, name)) for name in order}
        more = self._optional(node, [name for name in declared if name not in base], set(base))
        while len(base) < low:
            if (added := next(more, None)) is None:
                raise SchemaProblem(node.path, f"'minProperties' is {low}, and only {len(base)} are allowed")
            base[added[0]] = added[1]
        yield _object(base)
        for name in base:
            for other in islice(self._instances(self._property(node, name)), 1, _MAX_TRIES):
                yield _object({**base, name: other})
        if high is None or len(base) < high:
            yield from (_object({**base, name: value}) for name, value in more)

    def _optional(self, node: Node, declared: list[str], taken: set[str]) -> Iterator[tuple[str, _Instance]]:
        """Properties that may be added: those that the schema names, then others."""
        for name in [*declared, *islice(_invented(node), _MAX_TRIES)]:
            if name in taken:
                continue
            try:
                yield name, self._smallest(self._property(node, name))
            except SchemaProblem:
                continue
            taken.add(name)

    def _property(self, node: Node, name: str) -> Node:
        for demand in node.demands:
            if "propertyNames" in demand.schema and not self._conformity.holds(name, demand.inner("propertyNames")):
                raise SchemaProblem((*demand.path, "propertyNames"), f"'{name[:100]}' is not allowed as a name")
        inner = [one for demand in node.demands for one in properties_of(demand, name)]
        if any(one.schema is NOTHING for one in inner):
            raise SchemaProblem(node.path, f"'{name[:100]}' is required, and no such property is allowed")
        return self._schemas.node(inner or [Demand(ANYTHING, (*node.path, "properties", name))])

    def _arrays(self, node: Node) -> Iterator[_Instance]:
        low, high = node.sizes("minItems", "maxItems")
        unique = any(value for value, _ in node.values("uniqueItems", bool, "a boolean"))
        contained = [
            demand.inner("contains")
            for demand in node.demands
            if "contains" in demand.schema
            for _ in range(next(Node((demand,), frozenset()).whole("minContains"), 1))
        ]
        prefix = max(
            (
                len(demand.schema.get(name) or ())
                for demand in node.demands
                for name in ("prefixItems", "items")
                if isinstance(demand.schema.get(name), list)
            ),
            default=0,
        )
        problem = None
        for length in range(max(low, len(contained)), max(low, prefix + len(contained)) + _MAX_TRIES):
            if high is not None and length > high:
                break
            if length > _MAX_ITEMS:
                raise SchemaProblem(node.path, f"an instance would have more than {_MAX_ITEMS:,} items")
            try:
                yield from self._arrays_of(node, length, contained, unique)
            except SchemaProblem as found:
                problem = problem or found
                if length >= prefix + len(contained):
                    break
        if problem is not None:
            raise problem

    def _arrays_of(self, node: Node, length: int, contained: list[Demand], unique: bool) -> Iterator[_Instance]:
        items: list[_Instance] = []
        given: set[str] = set()
        nodes: list[Node] = []
        ways: dict[Any, Iterator[_Instance]] = {}  # one for equal nodes: what it has given is not tried again
        for index in range(length):
            demands = [one for demand in node.demands if (one := item_of(demand, index)) is not None]
            if index >= length - len(contained):
                demands.append(contained[index - length])
            nodes.append(self._schemas.node(demands or [Demand(ANYTHING, (*node.path, "items"))]))
            if not unique:
                items.append(self._smallest(nodes[-1]))
                continue
            way = ways.setdefault(nodes[-1].key, self._instances(nodes[-1]))
            item = next((one for one in way if canonical(one.value) not in given), None)
            if item is None:
                raise SchemaProblem(nodes[-1].path, f"the fake provider finds only {index} different items")
            given.add(canonical(item.value))
            items.append(item)
        yield _array(items)
        if items and not unique:
            yield from (_array([other, *items[1:]]) for other in islice(self._instances(nodes[0]), 1, _MAX_TRIES))


def _merged(node: Node, ways: list[Iterator[_Instance]]) -> Iterator[_Instance]:
    """The instances of all ways: first the first of each, the smallest before the others, then the rest in turn."""
    begun: list[tuple[_Instance, Iterator[_Instance]]] = []
    problem = None
    for way in ways:
        try:
            begun += [(first, way) for first in islice(way, 1)]
        except SchemaProblem as found:
            problem = problem or found
    if not begun:
        raise problem or SchemaProblem(node.path, "the fake provider finds no value that meets all demands")
    begun.sort(key=lambda one: one[0].size)
    yield from (first for first, _ in begun)
    left = [way for _, way in begun]
    while left:
        for way in list(left):
            try:
                yield next(way)
            except (SchemaProblem, StopIteration):
                left.remove(way)


def _invented(node: Node) -> Iterator[str]:
    """Names for properties that the schema does not name."""
    for demand in node.demands:
        if "propertyNames" in demand.schema:
            yield from texts(Node((demand.inner("propertyNames"),), frozenset()))
        for pattern in demand.named("patternProperties"):
            finds(pattern, "", (*demand.path, "patternProperties", pattern))
            try:
                yield from islice(read_pattern(pattern).texts(), _MAX_TRIES // 10)
            except PatternProblem:
                continue
    yield from map(chr, range(ord("a"), ord("z") + 1))
    yield from (f"a{number}" for number in range(_MAX_TRIES))


def _plain(value: Any) -> _Instance:
    return _Instance(0 if value is None else len(json.dumps(value, ensure_ascii=False, separators=(",", ":"))), value)


def _object(members: dict[str, _Instance]) -> _Instance:
    size = 1 + max(1, sum(_plain(name).size + one.size + 2 for name, one in members.items()))
    return _Instance(size, {name: one.value for name, one in members.items()})


def _array(items: list[_Instance]) -> _Instance:
    return _Instance(1 + max(1, sum(one.size + 1 for one in items)), [one.value for one in items])
