"""What the keywords of a node say: its types, the values that it lists, and the names of its properties."""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.structured.conformity import type_names
from chatproof.fake_providers.structured.schema_nodes import Demand, Node, SchemaProblem

# What says of a schema without `type` which one is meant.
_HINTS: Final = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "contains", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


def types(node: Node) -> list[str]:
    """The types that all demands allow, in the first demand's order. SchemaProblem if there is none."""
    named = [names for demand in node.demands if (names := type_names(demand)) is not None]
    if not named:
        keywords = {name for demand in node.demands for name in demand.schema}
        hinted = [kind for kind, hints in _HINTS.items() if not keywords.isdisjoint(hints)] or ["object"]
        # google-genai sends no more than this of a recursive optional part.
        return [*hinted, "null"] if any(demand.schema.get("nullable") is True for demand in node.demands) else hinted
    allowed = [[*names, "integer"] if "number" in names else names for names in named]
    common = [name for name in dict.fromkeys(allowed[0]) if all(name in others for others in allowed)]
    if "number" in common:
        common.remove("integer")
    if not common:
        raise SchemaProblem(node.path, f"no type is in all of {', '.join(map(repr, named))}")
    return common


def listed(node: Node) -> tuple[list[Any], list[Demand]] | None:
    """The values that the node's first `const` or `enum` lists, and its other demands; None where it has neither."""
    for at, demand in enumerate(node.demands):
        name = "const" if "const" in demand.schema else "enum"
        if (values := [demand.schema["const"]] if name == "const" else demand.get(name, list, "an array")) is not None:
            rest = Demand({key: value for key, value in demand.schema.items() if key != name}, demand.path)
            return values, [*node.demands[:at], rest, *node.demands[at + 1 :]]
    return None


def declared(node: Node) -> dict[str, None]:
    """The names of the properties, in the order that a reply gives them."""
    order: dict[str, None] = {}
    for demand in node.demands:
        named = demand.named("properties")
        order.update(dict.fromkeys([name for name in demand.words("propertyOrdering") if name in named]))
        order.update(dict.fromkeys(named))
    return order


def needed(node: Node) -> dict[str, None]:
    """The names of the properties that must be there, with those that `dependentRequired` adds."""
    names = {name: None for demand in node.demands for name in demand.words("required")}
    more = [Demand(demand.named("dependentRequired"), (*demand.path, "dependentRequired")) for demand in node.demands]
    while added := [
        other for one in more for name in one.schema if name in names for other in one.words(name) if other not in names
    ]:
        names.update(dict.fromkeys(added))
    return names
