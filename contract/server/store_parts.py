"""Uploads in parts at the object store: what S3 calls multipart. Blocking; ObjectStore runs it in threads.

Tried on SeaweedFS 4.48, and as S3 says: a part whose signed sha256 is not that of its bytes is refused, the object is
put together only from the parts named, in their order, and never over another one. SeaweedFS lists a part that was sent
twice two times. Neither keeps a sha256 of the whole.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from contract.errors import make

JsonObject = dict[str, Any]
MIB = 2**20
PART_BYTES = 16 * MIB
MOST_PARTS = 10_000
MOST_BYTES = 5 * 2**40
SINGLE_BYTES = 5 * 2**30
# The upload is completed or given up; there is an object already.
_OVER = frozenset({"NoSuchUpload", "PreconditionFailed", "412"})
_WRONG = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "BadDigest", "InvalidRequest"})


@dataclass(frozen=True)
class Part:
    """A part as it was declared. number: from 1; size: bytes; sha256: hexadecimal."""

    number: int
    size: int
    sha256: str

    @property
    def checksum(self) -> str:
        """As the store's headers have it."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()


@dataclass(frozen=True)
class HeldPart:
    """A part that the store holds."""

    size: int
    etag: str


@dataclass(frozen=True)
class OpenUpload:
    """An upload that the store has open, since when."""

    key: str
    store_id: str
    begun_at: datetime


def part_size_of(size: int, part_bytes: int = PART_BYTES) -> int:
    """Bytes of each part of an object of `size` bytes: part_bytes, or as many MiB as 10,000 parts need."""
    needed = -(-size // MOST_PARTS)
    return max(part_bytes, -(-needed // MIB) * MIB)


def part_count(size: int, part_size: int) -> int:
    """How many parts an object has."""
    return -(-size // part_size)


def size_of_part(number: int, size: int, part_size: int) -> int:
    """Bytes of one part: the last has what is left."""
    return min(part_size, size - (number - 1) * part_size)


class StoreParts:
    """The calls of one bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def create(self, key: str, media_type: str) -> str:
        answer = self._client.create_multipart_upload(
            Bucket=self._bucket, Key=key, ContentType=media_type, ChecksumAlgorithm="SHA256"
        )
        return str(answer["UploadId"])

    def presign(self, key: str, store_id: str, part: Part, seconds: int) -> JsonObject:
        """{url, headers} of the PUT of one part."""
        params = {"Bucket": self._bucket, "Key": key, "UploadId": store_id, "PartNumber": part.number}
        params |= {"ContentLength": part.size, "ChecksumSHA256": part.checksum}
        url = self._client.generate_presigned_url("upload_part", Params=params, ExpiresIn=seconds)
        return {"url": url, "headers": {"content-length": str(part.size), "x-amz-checksum-sha256": part.checksum}}

    def held(self, key: str, store_id: str, first: int, last: int) -> dict[int, HeldPart] | None:
        """The parts from one number to another that the store holds; None when it has no such upload."""
        found: dict[int, HeldPart] = {}
        of = {"Bucket": self._bucket, "Key": key, "UploadId": store_id, "PartNumberMarker": first - 1}
        try:
            for page in self._client.get_paginator("list_parts").paginate(**of):
                found |= {int(p["PartNumber"]): HeldPart(int(p["Size"]), p["ETag"]) for p in page.get("Parts", ())}
                if max(found, default=0) >= last:
                    break
        except ClientError as error:
            if _code(error) == "NoSuchUpload":
                return None
            raise
        return {number: part for number, part in found.items() if first <= number <= last}

    def complete(self, key: str, store_id: str, parts: Sequence[Part], held: dict[int, HeldPart]) -> None:
        named = [
            {"PartNumber": p.number, "ETag": held[p.number].etag, "ChecksumSHA256": p.checksum}
            for p in sorted(parts, key=lambda p: p.number)
        ]
        try:
            self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=store_id, MultipartUpload={"Parts": named}, IfNoneMatch="*"
            )
        except ClientError as error:
            if _code(error) in _WRONG:
                hint = "begin the artifact again"
                raise make("digest_mismatch", f"the store refuses the parts: {_code(error)}", hint=hint) from error
            if _code(error) not in _OVER:
                raise

    def abort(self, key: str, store_id: str) -> None:
        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=store_id)
        except ClientError as error:
            if _code(error) != "NoSuchUpload":
                raise

    def uploads(self) -> list[OpenUpload]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket)
        return [
            OpenUpload(one["Key"], one["UploadId"], one["Initiated"])
            for page in pages
            for one in page.get("Uploads", ())
        ]


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))
