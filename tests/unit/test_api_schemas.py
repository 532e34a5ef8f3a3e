"""Schemas and values of users: however they are made, a check ends soon and says what is wrong."""

from __future__ import annotations

import time
from typing import Any

import pytest

from control_room.api.json_schema import Budget, schema_issues, validation_issues
from control_room.api.params import check_params

#: Far above what a bounded check takes on a busy machine, far below what an unbounded one takes.
SOON_SECONDS = 4.0
DOUBLING: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(24)}
NESTED_REFS = {"$defs": {**DOUBLING, "d24": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/d0"}}}


def one(rule: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with the parameter `a` of this rule."""
    return [issue.message for issue in check_params({"properties": {"a": rule}}, {"a": value}, "params")[1]]


def refused(schema: dict[str, Any]) -> dict[str, str]:
    return {issue.path: issue.message for issue in schema_issues(schema, "params_schema")}


@pytest.mark.parametrize(
    ("schema", "params"),
    [
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 5000 + "b"}),
        ({"patternProperties": {"^(a+)+$": {"type": "string"}}}, {"a" * 5000: 1, "a" * 5000 + "b": 1}),
        ({"patternProperties": {"^(a+)+$": True}, "additionalProperties": False}, {"a" * 5000 + "b": 1}),
        ({"propertyNames": {"pattern": "^(a+)+$"}, "additionalProperties": True}, {"a" * 5000 + "b": 1}),
        (NESTED_REFS, {"a": "x"}),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [*([n, str(n)][n % 2] for n in range(60_000)), 0]}),
        ({"properties": {"a": {"anyOf": [{"type": "string"}] * 2000}}}, {"a": list(range(200_000))}),
        ({"properties": {"a": {"format": "iri"}, "b": {"type": "integer"}}}, {"a": "//" * 1000, "b": "x"}),
        ({"properties": {"a": {"items": {"format": "uri-reference"}}}}, {"a": ["[" * 1900] * 5000}),
    ],
    ids=[
        "pattern",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "$ref",
        "uniqueItems",
        "messages",
        "iri",
        "formats",
    ],
)
def test_no_schema_makes_a_check_long(schema: dict[str, Any], params: dict[str, Any]) -> None:
    began = time.monotonic()
    _, issues = check_params(schema, params, "params")
    assert time.monotonic() - began < SOON_SECONDS
    assert issues


def test_a_check_beyond_its_steps_says_so_and_where() -> None:
    assert "too many steps" in check_params(NESTED_REFS, {"a": "x"}, "params")[1][0].message
    shared = Budget(steps=10)
    assert validation_issues({"type": "object"}, {}, budget=shared) == []
    assert (
        "too many steps" in validation_issues({"items": {"type": "null"}}, [None] * 20, "x", budget=shared)[0].message
    )


def test_ten_thousand_items_are_no_trouble() -> None:
    assert one({"type": "array", "items": {"type": "integer", "minimum": 0}}, list(range(10_000))) == []


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("b+", "abc", "ac"),
        (r"^\d{4}-\d{2}$", "2013-01", "2013-01\n"),
        (r"^[a-z0-9][a-z0-9_.-]{0,62}$", "a_b.c-d", "A"),
        ("^(?:a|b)$", "a", "ab"),
        ("é", "café", "cafe"),
    ],
)
def test_a_pattern_is_searched_as_json_schema_says(pattern: str, good: str, bad: str) -> None:
    assert one({"pattern": pattern}, good) == []
    assert "does not match" in one({"pattern": pattern}, bad)[0]
    assert one({"pattern": pattern}, 7) == []


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(?=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "backreferences are not supported"),
        ("(", "unclosed group"),
        ("(a{100}){100}", "repeats by count"),
        ("a" * 2000, "at most 1000"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_its_place(pattern: str, says: str) -> None:
    found = refused({"properties": {"a": {"items": {"pattern": pattern}}}})
    assert list(found) == ["/params_schema/properties/a/items/pattern"]
    assert says in found["/params_schema/properties/a/items/pattern"]
    (path,) = refused({"patternProperties": {pattern: {}}})
    assert path.startswith("/params_schema/patternProperties/")


@pytest.mark.parametrize(
    ("schema", "path", "says"),
    [
        ({"properties": {f"p{n}": {} for n in range(6000)}}, "", "too large"),
        ({"unevaluatedProperties": False}, "/unevaluatedProperties", "use additionalProperties"),
        ({"properties": {"a": {"$dynamicRef": "#x"}}}, "/properties/a/$dynamicRef", "use $ref"),
        ({"properties": {"a": {"$ref": "#x"}}}, "/properties/a/$ref", "use '#/$defs/…'"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", "2020-12"),
        ({"properties": {"a": {"$schema": "x:y"}}}, "/properties/a/$schema", "only the whole schema"),
        ({"properties": {f"p{n}": {"pattern": rf"\d{{{900 + n}}}"} for n in range(90)}}, "", "patterns are too large"),
        ({"properties": {"a": {"default": 2**63}}}, "/properties/a/default", "beyond 64 bits"),
        ({"properties": {"a": {"default": 1e19}}}, "/properties/a/default", "beyond 64 bits"),
        ({"properties": {n: {"default": "x" * 33_000} for n in "ab"}}, "", "at most 65536"),
        ({"properties": {"a": {"properties": {"b": {"default": "ä" * 33_000}}}}}, "", "defaults take 66002 bytes"),
    ],
)
def test_a_schema_that_is_out_of_bounds_is_refused_with_its_place(schema: dict[str, Any], path: str, says: str) -> None:
    found = refused(schema)
    assert says in found[f"/params_schema{path}"], found


def test_a_schema_that_is_too_deep_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"not": schema}
    assert "nested too deeply" in refused(schema)["/params_schema"]


def test_a_parameter_may_be_named_like_a_keyword() -> None:
    assert refused({"properties": {"pattern": {"type": "string"}, "$ref": {"type": "string"}}}) == {}


@pytest.mark.parametrize("named", ["http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-04/schema"])
def test_no_dialect_brings_back_the_slow_engine(named: str) -> None:
    rule = {"$schema": named, "allOf": [{"$schema": named, "pattern": "^(a+)+$"}]}
    began = time.monotonic()
    assert "does not match" in one(rule, "a" * 40 + "b")[0]
    assert time.monotonic() - began < SOON_SECONDS


def test_a_schema_may_have_defaults_of_some_size_and_a_parameter_named_default() -> None:
    assert refused({"properties": {"a": {"default": "x" * 65_000}, "default": {"type": "string"}}}) == {}


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), 2**63, [2**63], {"b": 2**64}, 1e19, -1e300, 2.0**63, [{"b": 1e19}]]
)
def test_an_integer_beyond_64_bits_is_refused_with_its_place(value: Any) -> None:
    """A float, too: JSON does not tell 1e19 from its digits, and the database hands these to executors."""
    _, (issue,) = check_params({"properties": {"a": {"multipleOf": 0.5}}}, {"a": value}, "params")
    assert issue.path.startswith("/params/a")
    assert "beyond 64 bits" in issue.message


def test_integers_of_64_bits_and_booleans_are_taken() -> None:
    for value in (2**63 - 1, -(2**63), True, 1e18, -(2.0**63), 0.1, 5e-324):
        assert one({}, value) == []


def test_arithmetic_that_overflows_is_an_issue_not_a_crash() -> None:
    (issue,) = validation_issues({"multipleOf": 0.5}, 10**400, "params", "a")
    assert (issue.path, "cannot be checked" in issue.message) == ("/params/a", True)


@pytest.mark.parametrize("hidden", [{"properties": 3}, {"type": "nonsense"}, {"required": 1}, 5])
def test_a_reference_to_what_is_no_schema_is_an_issue_not_a_crash(hidden: Any) -> None:
    schema = {"x-hidden": hidden, "$ref": "#/x-hidden", "additionalProperties": True}
    _, found = check_params(schema, {"a": "text"}, "params")
    assert found, hidden


@pytest.mark.parametrize(("items", "unique"), [([1, 1.0], False), ([1, True], True), ([{"a": [1]}, {"a": [1]}], False)])
def test_items_are_told_apart_as_json_schema_says(items: list[Any], unique: bool) -> None:
    assert (one({"uniqueItems": True}, items) == []) is unique
