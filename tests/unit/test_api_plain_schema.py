"""The compiled validator's yes is the bounded validator's, and it leaves alone what it could read otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from control_room.api.json_schema import validation_issues
from control_room.api.plain_schema import acceptance

TEXT = st.text(alphabet="ab\u00e9\U0001f600\u0301", max_size=4)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**70]),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0**53, 1e300, 5e-324]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])


def ruled(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    small = st.integers(0, 3)
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    bound = st.one_of(st.integers(-3, 3), st.sampled_from([2**53, 2**53 + 1, 0.5]))
    keys: dict[str, st.SearchStrategy[Any]] = {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
        "properties": named,
        "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
        "additionalProperties": inner,
        "items": inner,
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), bound),
        **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), small),
        "description": TEXT,
    }
    return st.fixed_dictionaries({}, optional=keys)


SCHEMAS = st.recursive(st.booleans(), ruled, max_leaves=4).filter(lambda one: isinstance(one, dict))


@given(schema=SCHEMAS, value=VALUES)
@example(schema={"enum": [1]}, value=True)
@example(schema={"const": False}, value=0)
@example(schema={"const": 2**53 + 1}, value=2.0**53)
@example(schema={"type": "integer"}, value=1.0)
@example(schema={"maxLength": 1}, value="\U0001f600")
def test_what_it_accepts_the_bounded_validator_accepts(schema: dict[str, Any], value: Any) -> None:
    if acceptance(schema)(value):
        assert validation_issues(schema, value) == []


ORDINARY = {
    "type": "object",
    "title": "Load",
    "properties": {
        "table": {"type": "string", "minLength": 1, "maxLength": 63},
        "rows": {"type": "integer", "minimum": 0, "default": 10},
        "mode": {"enum": ["append", "overwrite", None]},
        "columns": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["table"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "value",
    [
        {"table": "t"},
        {"table": "t", "rows": 3, "mode": "append", "columns": ["a", "b"]},
        {"table": "t", "mode": None},
        {"table": ""},
        {"table": "t", "rows": -1},
        {"table": "t", "rows": "3"},
        {"table": "t", "mode": "merge"},
        {"table": "t", "columns": [1]},
        {"tabel": "t"},
        {},
        [],
    ],
)
def test_of_an_ordinary_schema_it_accepts_all_that_is_right_and_nothing_else(value: Any) -> None:
    assert acceptance(ORDINARY)(value) is (validation_issues(ORDINARY, value) == [])


@pytest.mark.parametrize(
    "rule",
    [
        {"pattern": "^a"},
        {"format": "date"},
        {"$ref": "#/$defs/x"},
        {"allOf": [{}]},
        {"uniqueItems": True},
        {"multipleOf": 1},
        {"enum": [1.5]},
        {"enum": [[]]},
        {"const": {}},
        {"const": 2**53 + 1},
        {"minimum": 0.1},
        {"enum": [str(n) for n in range(201)]},
    ],
)
def test_what_costs_more_or_reads_otherwise_is_left_to_the_bounded_validator(rule: dict[str, Any]) -> None:
    schema = {"properties": {"a": rule}}
    assert validation_issues(schema, {}) == []
    assert not acceptance(schema)({})
    assert acceptance({"properties": {"a": {}}})({})


def test_a_text_that_is_no_unicode_is_left_to_the_bounded_validator() -> None:
    assert not acceptance({"type": "string"})("\ud800")
