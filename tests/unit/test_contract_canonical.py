"""Canonical JSON and digests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import canonical

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


def test_the_example_of_rfc_8785_gives_its_bytes() -> None:
    value = json.loads(
        r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
             "string": "€$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    )
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical.canonical_json(value) == expected.encode()


@given(JSON)
def test_a_value_and_what_it_reads_back_as_have_one_digest(value: object) -> None:
    text = canonical.canonical_json(value)
    assert canonical.canonical_json(json.loads(text)) == text
    assert canonical.digest_json(value) == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize("value", [2**53 + 1, float("nan"), float("inf"), {1: 2}, object(), "\ud800"])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no canonical JSON"):
        canonical.canonical_json(value)


@pytest.mark.parametrize("size", [0, 1, canonical.BLOCK, canonical.BLOCK + 1])
def test_a_file_is_hashed_block_by_block_with_its_size(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "data"
    path.write_bytes(data[:size])
    assert canonical.digest_file(path) == (hashlib.sha256(data[:size]).hexdigest(), size)
    assert canonical.digest_bytes(data[:size]) == canonical.digest_file(path)[0]
