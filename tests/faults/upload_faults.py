"""Faults of uploads: what came in parts, in batches, and over the wrong bytes."""

from __future__ import annotations

from typing import Any

from tests.faults.fault import Edit, Fault, Swap

PARTS = "tests/contract/test_parts.py::test_"
TAMPERING = "tests/contract/test_upload_tampering.py::test_"


def unread(_: Any) -> Any:
    """A server that takes an object without a digest for what was announced."""

    async def verify(verifier: Any, key: str, seen: Any) -> Any:
        from contract.server.object_store import StoredObject
        from contract.server.verifying import Verified

        return Verified(StoredObject(seen.size, key.rpartition("/")[2], seen.version), 0)

    return verify


def over_what_is_there(_: Any) -> Any:
    """A store that completes an upload in parts whatever stands under its key."""

    def complete(parts: Any, key: str, store_id: str, declared: Any, held: Any) -> None:
        named = [
            {"PartNumber": p.number, "ETag": held[p.number].etag, "ChecksumSHA256": p.checksum}
            for p in sorted(declared, key=lambda p: p.number)
        ]
        of = {"Bucket": parts._bucket, "Key": key, "UploadId": store_id}
        parts._client.complete_multipart_upload(**of, MultipartUpload={"Parts": named})

    return complete


UPLOAD_FAULTS = (
    Fault(
        "parts recorded unread",
        "an object that came in parts is recorded whatever its bytes are",
        (PARTS + "swapped_parts_are_refused_by_the_digest_of_the_whole_and_removed",),
        swaps=(Swap("contract.server.verifying", "Verifier", "verify", unread),),
    ),
    Fault(
        "parts over an object",
        "an upload in parts that was wrong all along takes the place of verified bytes",
        (PARTS + "putting_parts_together_never_replaces_an_object",),
        swaps=(Swap("contract.server.store_parts", "StoreParts", "complete", over_what_is_there),),
    ),
    Fault(
        "parts renamed",
        "a part that is held is taken for another one, which was never sent",
        (PARTS + "a_part_that_was_named_with_other_bytes_gives_the_upload_up",),
        (Edit("declare_parts", "and p.sha256 <> x.sha256", "and false"),),
    ),
    Fault(
        "uploads of attempts at work given up",
        "the collector takes the parts of an upload that lasts longer than the safety window",
        (PARTS + "an_attempt_that_is_at_it_keeps_its_upload_however_long_it_takes",),
        (Edit("stale_uploads", "and a.state = 'begun'", "and false"),),
    ),
    Fault(
        "wrong bytes kept",
        "an object of other bytes stays where the right ones are to go, and nobody can bring them",
        (
            PARTS + "swapped_parts_are_refused_by_the_digest_of_the_whole_and_removed",
            TAMPERING + "what_the_servers_own_key_put_there_without_a_digest_is_read_and_refused",
        ),
        (Edit("refuse_object", "if ops.object_is_stored(p_object_key) or", "if true or"),),
    ),
)
