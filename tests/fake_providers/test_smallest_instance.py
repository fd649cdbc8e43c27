"""The smallest instances of schemas, checked by a validator that the fakes do not use."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatproof.fake_providers.structured.answers import matching_reply_script
from chatproof.fake_providers.structured.schema_nodes import SchemaProblem
from chatproof.fake_providers.structured.smallest_instance import smallest_instance

TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
            "required": ["v", "next"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/Node",
}
ENDLESS = {
    "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"]}},
    "type": "object",
    "properties": {"first": {"$ref": "#/$defs/N"}},
    "required": ["first"],
}
ZOD_EMAIL = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
PYDANTIC_DECIMAL = r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"


def members(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


@pytest.mark.parametrize(
    ("schema", "smallest"),
    [
        ({}, {}),
        (True, {}),
        ({"type": "object"}, {}),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "boolean"}, False),
        ({"type": ["string", "null"]}, None),
        ({"enum": ["a", None, "b"]}, None),
        ({"anyOf": [{"type": "object"}, {"type": "null"}]}, None),
        ({"properties": {"a": {"type": "string"}}}, {}),
        (members(a={"type": "string"}, b={"type": "integer", "minimum": 3}), {"a": "", "b": 3}),
        ({**members(a={"type": "string"}), "properties": {"b": {}, "a": {"const": 1}}}, {"a": 1}),
        ({**members(a={}, b={}), "propertyOrdering": ["b", "a"]}, {"b": {}, "a": {}}),
        (TREE, {"v": 0, "next": None}),
        ({"type": "object", "properties": {"child": {"$ref": "#"}}}, {}),
        (members(children={"type": "array", "items": {"$ref": "#"}}), {"children": []}),
        ({"enum": ["green", "red", "blue"]}, "red"),
        ({"enum": ["a", "bcd", "ef"], "minLength": 2}, "ef"),
        ({"const": None}, None),
        ({"anyOf": [{"type": "string", "minLength": 5}, {"type": "null"}]}, None),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 0.1),
        ({"oneOf": [members(k={"const": "long"}), members(k={"const": "b"})]}, {"k": "b"}),
        ({"allOf": [members(a={"minLength": 2}), {"properties": {"a": {"type": "string"}}}]}, {"a": "aa"}),
        ({"$ref": "#/$defs/s", "minLength": 2, "$defs": {"s": {"type": "string"}}}, "aa"),
        ({"$ref": "#up", "$defs": {"s": {"$anchor": "up", "const": 5}}}, 5),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.1),
        ({"type": "integer", "exclusiveMinimum": 0}, 1),
        ({"type": "number", "multipleOf": 0.25, "minimum": 0.3}, 0.5),
        ({"type": "integer", "maximum": -7}, -7),
        ({"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "minimum": 1}, 12),
        ({"type": "integer", "not": {"const": 0}}, 1),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [0, 1, -1]),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"const": 2}], "minItems": 2, "items": False}, ["", 2]),
        ({"type": "array", "contains": {"const": "x"}, "minItems": 2, "items": {"type": "string"}}, ["", "x"]),
        ({"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}}, {"a": 0, "b": 0}),
        ({"type": "object", "minProperties": 1, "properties": {"o": {"type": "null"}}}, {"o": None}),
        ({**members(a={}), "dependentRequired": {"a": ["b"]}}, {"a": {}, "b": {}}),
        ({"type": "object", "if": {"required": ["a"]}, "then": {}, "else": {"required": ["c"]}}, {"a": {}}),
        ({"type": "string", "pattern": "^[a-z]{3}-\\d+$"}, "aaa-0"),
        ({"type": "string", "pattern": "b|cd"}, "b"),
        ({"type": "string", "pattern": "^(?<year>\\d{4})$"}, "0000"),
        ({"type": "string", "pattern": "x", "minLength": 3}, "xaa"),
        ({"type": "string", "pattern": PYDANTIC_DECIMAL}, "0"),
        ({"type": "string", "format": "email", "pattern": ZOD_EMAIL}, "a@b.co"),
        ({"type": "string", "format": "date-time"}, "1970-01-01T00:00:00Z"),
        ({"nullable": True}, None),
        ({"type": "STRING", "nullable": True, "minLength": 3}, None),
        ({"type": "OBJECT", "properties": {"n": {"type": "NUMBER"}}, "required": ["n"]}, {"n": 0}),
    ],
)
def test_the_smallest_instance(schema: Any, smallest: Any) -> None:
    made = smallest_instance(schema)
    assert json.dumps(made) == json.dumps(smallest)
    if "STRING" not in str(schema) and "NUMBER" not in str(schema):
        jsonschema_rs.validate(schema, made)


@pytest.mark.parametrize(
    ("schema", "path", "why"),
    [
        (False, (), "nothing is allowed"),
        (5, (), "must be an object"),
        (members(a=False), (), "'a' is required"),
        (members(a={"type": "integer", "minimum": 5, "maximum": 3}), ("properties", "a"), "no integer"),
        (members(a={"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 1}), ("properties", "a"), "bounds"),
        (members(a={"type": "string", "minLength": 5, "maxLength": 3}), ("properties", "a"), "'minLength' 5"),
        (members(a={"type": "strng"}), ("properties", "a", "type"), "'strng'"),
        (members(a={"$ref": "#/$defs/B"}), ("properties", "a", "$ref"), "leads nowhere"),
        (members(a={"$ref": "https://example.com/s"}), ("properties", "a", "$ref"), "leads nowhere"),
        (members(a={"enum": []}), ("properties", "a"), "'enum'"),
        (members(a={"enum": ["x"], "minLength": 2}), ("properties", "a"), "'enum'"),
        (members(a={"allOf": [{"type": "string"}, {"type": "integer"}]}), ("properties", "a", "allOf", "1"), "no type"),
        (members(a={"pattern": "["}), ("properties", "a", "pattern"), "'regex'"),
        (members(a={"pattern": "^\\d{3}$", "minLength": 5}), ("properties", "a", "pattern"), "no text"),
        (members(a={"pattern": "(a)\\1"}), ("properties", "a", "pattern"), "groupref"),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, (), "'a' is required"),
        ({"type": "object", "required": "a"}, ("required",), "array of strings"),
        ({"type": "array", "minItems": 3, "uniqueItems": True, "items": {"enum": [1, 2]}}, ("items",), "2 different"),
        ({"type": "array", "minItems": 10**9}, (), "items"),
        ({"type": "string", "minLength": 10**9}, (), "no text of"),
        ({"type": "string", "minLength": -1}, ("minLength",), "whole number"),
        ({"type": "integer", "minimum": "5"}, ("minimum",), "must be a number"),
        (ENDLESS, ("$defs", "N"), "recursive without end"),
        ({"$ref": "#"}, (), "without end"),
        (
            {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
            ("$defs", "a"),
            "end",
        ),
    ],
)
def test_a_schema_without_instance_says_where_and_why(schema: Any, path: tuple[str, ...], why: str) -> None:
    with pytest.raises(SchemaProblem, match=why) as raised:
        smallest_instance(schema)
    assert raised.value.path == path


def nested(levels: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = members(x=schema)
    return schema


def doubling(levels: int) -> Any:
    inner = {
        f"d{at}": members(x={"$ref": f"#/$defs/d{at + 1}"}, y={"$ref": f"#/$defs/d{at + 1}"}) for at in range(levels)
    }
    return {"$defs": {**inner, f"d{levels}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def mutual(kinds: int) -> Any:
    """Each kind has fields of any kind; only the last needs none of them."""
    union = [{"$ref": f"#/$defs/k{at}"} for at in range(kinds)]
    inner = {
        f"k{at}": members(kind={"const": at}, one={"anyOf": union}, two={"anyOf": [*union]}) for at in range(kinds)
    }
    inner[f"k{kinds - 1}"]["required"] = ["kind"]
    return {"$defs": json.loads(json.dumps(inner)), "$ref": "#/$defs/k0"}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (nested(300), False),
        (nested(25), True),
        (doubling(40), False),
        (mutual(15), True),
        ({"type": "string", "pattern": "^(a+)+$", "minLength": 400}, True),
        ({"type": "string", "pattern": "^(a|a)*(?=b)c", "minLength": 60}, False),
        ({"enum": ["a" * 60 + "!"], "pattern": "^(a+)+$"}, False),
        ({"enum": ["a" * 60 + "!"], "pattern": "^(?=(a+)+$)a"}, False),
        ({"type": "string", "pattern": "^(a{1,100}){1,100}$"}, False),
        ({"anyOf": [{"anyOf": [{"type": "string"}] * 200}] * 200}, True),
        ({"allOf": [{"anyOf": [{"required": [f"a{at}{of}"]} for of in range(4)]} for at in range(30)]}, True),
        ({"enum": [f"w{at}" for at in range(50_000)]}, True),
        (members(**{f"p{at}": {"type": "string"} for at in range(3_000)}), True),
        ({"type": "array", "minItems": 2_000, "uniqueItems": True, "items": {"type": "integer"}}, True),
    ],
)
def test_no_schema_takes_long(schema: Any, made: bool) -> None:
    begun = time.process_time()
    try:
        jsonschema_rs.validate(schema, smallest_instance(schema))
        assert made
    except SchemaProblem:
        assert not made
    assert time.process_time() - begun < 3


def test_the_same_schema_gives_the_same_instance() -> None:
    assert {json.dumps(smallest_instance(json.loads(json.dumps(TREE)))) for _ in range(3)} == {'{"v": 0, "next": null}'}


def test_a_text_for_a_whole_regular_expression() -> None:
    assert matching_reply_script("yes|no").text == "no"
    assert matching_reply_script(r"\w+@\w+\.com\n").text == "a@a.com\n"
    with pytest.raises(SchemaProblem, match="'regex'"):
        matching_reply_script("(")


KEYWORDS = (
    *("type", "enum", "const", "anyOf", "allOf", "oneOf", "not", "if", "then", "else", "$ref", "$defs", "$anchor"),
    *("properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties"),
    *("dependentRequired", "dependentSchemas", "items", "prefixItems", "contains", "minContains", "minItems"),
    *("uniqueItems", "pattern", "format", "minLength", "maxLength", "minimum", "exclusiveMinimum", "multipleOf"),
    *("nullable", "propertyOrdering"),
)
NUMBERS = st.integers(-20, 20)
SCALARS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": st.integers(0, 3), "maxLength": st.integers(2, 5)}
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": NUMBERS, "maximum": NUMBERS, "exclusiveMinimum": NUMBERS, "multipleOf": st.integers(1, 7)},
    ),
    st.fixed_dictionaries(
        {"enum": st.lists(st.one_of(NUMBERS, st.text(max_size=3), st.none(), st.booleans()), min_size=1)}
    ),
    st.sampled_from([{"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]}, {"pattern": "^a?b{2}|c"}]),
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b", "c"])
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(names, inner)},
            optional={
                "required": st.lists(names, unique=True),
                "minProperties": st.integers(0, 3),
                "additionalProperties": st.one_of(st.booleans(), inner),
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={
                "minItems": st.integers(0, 3),
                "maxItems": st.integers(2, 4),
                "uniqueItems": st.booleans(),
                "prefixItems": st.lists(inner, min_size=1, max_size=2),
                "contains": inner,
            },
        ),
        st.builds(
            lambda word, of: {word: of},
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda one, other: {**one, "not": other}, inner, inner),
    )


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.floats(), st.text(max_size=3), st.just("#"), st.just("object")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4)),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYWORDS), JUNK, max_size=5))
def test_whatever_stands_in_a_schema_is_a_schema_or_a_problem(schema: Any) -> None:
    with contextlib.suppress(SchemaProblem):
        json.dumps(smallest_instance(schema), allow_nan=False)


@settings(max_examples=150, deadline=None)
@given(st.recursive(SCALARS, containers, max_leaves=8))
def test_what_is_made_conforms(schema: Any) -> None:
    try:
        made = smallest_instance(schema)
    except SchemaProblem:
        return
    jsonschema_rs.validate(schema, made)
