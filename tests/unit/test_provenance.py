"""Merkle tree, envelope, key and statement against published vectors and computations made by hand."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from contract.canonical import canonical_json
from control_room.provenance import dsse, keys, merkle
from control_room.provenance.manifest import made
from control_room.provenance.statement import dir_hash

# RFC 8032, 7.1, tests 1 to 3: secret key, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
# The leaves of Certificate Transparency's own tests of RFC 6962, and the roots of the first n of them.
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def ct_leaves() -> list[bytes]:
    return [hashlib.sha256(b"\x00" + bytes.fromhex(text)).digest() for text in CT_LEAVES]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_signatures_are_those_of_rfc_8032(secret: str, public: str, message: str, signature: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    assert keys.public_of(key).hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert keys.is_signed(bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message))
    assert not keys.is_signed(bytes.fromhex(public), bytes.fromhex(signature), b"another")
    assert keys.key_id(bytes.fromhex(public)) == hashlib.sha256(bytes.fromhex(public)).hexdigest()


def test_roots_are_those_of_certificate_transparency() -> None:
    assert [merkle.root(ct_leaves()[: size + 1]).hex() for size in range(8)] == CT_ROOTS
    assert merkle.root([]).hex() == hashlib.sha256(b"").hexdigest()


@given(size=st.integers(1, 40), data=st.data())
def test_an_audit_path_leads_from_its_leaf_to_the_root_and_from_no_other(size: int, data: Any) -> None:
    leaves = [hashlib.sha256(bytes([number])).digest() for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    audit = merkle.path(leaves, index)
    assert merkle.root_from(leaves[index], index, size, audit) == merkle.root(leaves)
    assert merkle.root_from(hashlib.sha256(b"other").digest(), index, size, audit) != merkle.root(leaves)


def test_an_audit_path_of_another_length_is_refused() -> None:
    leaves = ct_leaves()
    audit = merkle.path(leaves, 2)
    with pytest.raises(ValueError, match="shorter"):
        merkle.root_from(leaves[2], 2, 8, audit[1:])
    with pytest.raises(ValueError, match="longer"):
        merkle.root_from(leaves[0], 0, 1, audit)


def test_every_member_input_artifact_and_file_is_a_leaf_of_its_own() -> None:
    manifest = {
        "run": {"number": 1},
        "a/b": None,
        "inputs": [{"name": "x"}],
        "artifacts": [{"name": "a"}, {"name": "b"}],
        "publications": [{"files": [{"path": "p"}, {"path": "q"}]}],
    }
    assert list(merkle.parts(manifest)) == [
        *("/artifacts", "/artifacts/0", "/artifacts/1", "/a~1b", "/inputs", "/inputs/0", "/publications"),
        *("/publications/0", "/publications/0/files/0", "/publications/0/files/1", "/run"),
    ]
    assert merkle.leaf("/run", {"number": 1}) == hashlib.sha256(b'\x00/run\x00{"number":1}').digest()
    swapped = manifest | {"artifacts": [{"name": "b"}, {"name": "a"}]}
    assert merkle.root_of(manifest) != merkle.root_of(swapped)


def test_the_encoding_that_is_signed_is_that_of_dsse() -> None:
    assert (
        dsse.pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_an_envelope_is_its_keys_and_nobody_elses() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    found = dsse.envelope(b'{"a":1}', key)
    assert found["payloadType"] == "application/vnd.in-toto+json"
    assert dsse.payload_of(found) == b'{"a":1}'
    assert dsse.is_signed_by(found, keys.public_of(key))
    assert not dsse.is_signed_by(found, keys.public_of(other))
    assert not dsse.is_signed_by(found | {"payloadType": "text/plain"}, keys.public_of(key))
    assert not dsse.is_signed_by(found | {"payload": base64.b64encode(b'{"a":2}').decode()}, keys.public_of(key))
    url_safe = found["signatures"][0]["sig"].replace("+", "-").replace("/", "_")
    assert dsse.is_signed_by(found | {"signatures": [{"sig": url_safe}]}, keys.public_of(key))
    for broken in ({"signatures": []}, {"payload": "%"}, {"signatures": [{"sig": "%"}]}):
        with pytest.raises(dsse.EnvelopeError):
            dsse.is_signed_by(found | broken, keys.public_of(key))


def test_a_new_key_is_its_owners_alone_and_stays(tmp_path: Path) -> None:
    path = keys.ensure(tmp_path / "signing.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = keys.public_of(keys.load(path))
    assert keys.public_of(keys.load(keys.ensure(path))) == first
    path.chmod(0o644)
    with pytest.raises(keys.SigningKeyError, match="others may read it"):
        keys.load(path)


def test_what_is_no_key_of_ours_is_told_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    with pytest.raises(keys.SigningKeyError, match="No such file"):
        keys.load(path)
    path.write_text("hush")
    with pytest.raises(keys.SigningKeyError, match="no PEM file") as error:
        keys.load(path)
    assert "hush" not in str(error.value)
    path.write_bytes(keys.pem(generate_private_key(SECP256R1())))  # type: ignore[arg-type]
    with pytest.raises(keys.SigningKeyError, match="another kind"):
        keys.load(path)


def test_a_tables_digest_is_the_dir_hash_of_its_files() -> None:
    # The worked example of in-toto's specification of DigestSet.
    module = "github.com/marklodato/go-hello-world@v0.0.1"
    files = [
        (f"{module}/main.go", "ddc4da627d9a9f45fb29641a1b185d6f53287ecfd921aacbf4fe54b7a86fe8d1"),
        (f"{module}/README.md", "3a137eef6458bfb76bb2c63fc29ffc7166604d2d2e09ed9d8250a534122a8364"),
        (f"{module}/go.mod", "28e7c942a036902d981759d0bf5704d2bfc7cb500caf68b84711b234af01c6a5"),
    ]
    assert dir_hash(files) == "2a1bb6127fb481c60f67692e22285fb306f3c6ffe62075e0ccf674d7c3adcb8f"


def manifest() -> dict[str, Any]:
    """A manifest as ops.manifest_parts gives it, of a run that published a table and left a report."""
    return {
        "schema": "control-room/manifest/1",
        "run": {
            "run_id": "01a1fec1-66b9-736c-bfca-ebc5f17f8cd5",
            "workspace": "default",
            "template": {"name": "job", "version": 1, "digest": "d" * 64},
        },
        "params": {"day": "2026-11-22"},
        "code": {"bundle": {"sha256": "b" * 64, "size": 10}, "entrypoint": "main:run"},
        "environment": [],
        "inputs": [{"name": "raw", "uri": "s3://lakehouse/raw", "version": 3}],
        "caps": {},
        "outcome": {"started_at": "2026-11-22T10:00:00Z", "finished_at": "2026-11-22T10:00:01Z"},
        "events": {"length": 4, "head": "e" * 64},
        "artifacts": [{"epoch": 1, "name": "report.html", "sha256": "a" * 64}],
        "publications": [
            {
                "output": "t",
                "uri": "s3://lakehouse/t",
                "format": "delta",
                "table_version": 7,
                "state": "committed",
                "files": [{"path": "part-0.parquet", "sha256": "f" * 64}],
            }
        ],
    }


def test_a_signed_manifest_carries_a_statement_that_names_all_that_was_made() -> None:
    key = Ed25519PrivateKey.generate()
    found = made(manifest(), "2026-11-22T10:00:02Z", key)
    assert found["text"] == canonical_json(manifest()).decode()
    assert found["sha256"] == hashlib.sha256(found["text"].encode()).hexdigest()
    assert found["root"] == merkle.root_of(json.loads(found["text"]))
    told = json.loads(dsse.payload_of(found["envelope"]))
    assert (told["_type"], told["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    assert told["subject"] == [
        {"name": "manifest.json", "digest": {"sha256": found["sha256"]}, "annotations": {"merkleRoot": found["root"]}},
        {"name": "artifacts/1/report.html", "digest": {"sha256": "a" * 64}},
        {
            "name": "t",
            "uri": "s3://lakehouse/t",
            "digest": {"dirHash": dir_hash([("part-0.parquet", "f" * 64)])},
            "annotations": {"format": "delta", "tableVersion": 7},
        },
    ]
    definition = told["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["params"] == {"day": "2026-11-22"}
    assert definition["resolvedDependencies"] == [
        {"name": "template", "digest": {"sha256": "d" * 64}},
        {"name": "bundle", "digest": {"sha256": "b" * 64}},
        {"name": "inputs/raw", "uri": "s3://lakehouse/raw", "annotations": {"tableVersion": 3}},
    ]
    details = told["predicate"]["runDetails"]
    assert details["metadata"]["invocationId"] == "urn:uuid:01a1fec1-66b9-736c-bfca-ebc5f17f8cd5"
    assert details["byproducts"][0]["annotations"] == {"length": 4, "manifestMadeAt": "2026-11-22T10:00:02Z"}


def test_without_a_key_a_manifest_is_made_and_says_that_nobody_signed_it() -> None:
    found = made(manifest(), "2026-11-22T10:00:02Z", None)
    assert (found["key_id"], found["envelope"]) == (None, None)
