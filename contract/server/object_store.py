"""The object store (any S3): presigned URLs for executors, and the server's own look at what is stored.

boto3 blocks, so every call runs in a thread. Errors of the store become object_store_unavailable (503).
"""

import asyncio
import base64
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from contract._calls import is_loopback
from contract.canonical import BLOCK
from contract.errors import ContractError, make
from contract.server.settings import ServerSettings
from contract.server.store_parts import MOST_PARTS, PART_BYTES, HeldPart, OpenUpload, Part, StoreParts

T = TypeVar("T")
JsonObject = dict[str, Any]
log = logging.getLogger("contract.server")
# A store that hangs must hold up nothing but what needs it, and a look at a whole object no shorter look.
THREADS = 16
VERIFYING = 2
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True)
class StoredObject:
    """What the store holds under a key. size: bytes; sha256: hexadecimal, None when the store keeps none; version: of
    the write that brought it."""

    size: int
    sha256: str | None
    version: str = field(default="", compare=False)


def s3_client(settings: ServerSettings) -> Any:
    """A boto3 client for the store in the settings: path style, Signature V4, no proxy to loopback."""
    credentials = settings.s3_credentials()
    access_key, secret_key = credentials if credentials else (None, None)
    direct: JsonObject = {"proxies": {}} if settings.s3_endpoint and is_loopback(settings.s3_endpoint) else {}
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        # Presigned requests hold exactly the checksum we name, and downloads are hashed by us.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=3,
        read_timeout=10,  # between two pieces of an answer
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=THREADS,
        **direct,
    )
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key.get_secret_value() if secret_key else None,
        config=config,
    )


class ObjectStore:
    """One bucket. client: of boto3; lifetime: of presigned URLs; now: the clock, UTC."""

    def __init__(
        self,
        client: Any,
        bucket: str,
        *,
        lifetime: timedelta = timedelta(minutes=15),
        part_bytes: int = PART_BYTES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """part_bytes: of an upload in parts, unless it needs larger ones to have 10,000 at most."""
        self._client, self.bucket, self._lifetime, self._now = client, bucket, lifetime, now
        self.part_bytes = part_bytes
        self._parts = StoreParts(client, bucket)
        self._threads = ThreadPoolExecutor(THREADS, "object-store")
        self._verifying = asyncio.Semaphore(VERIFYING)

    @classmethod
    def from_settings(cls, settings: ServerSettings) -> "ObjectStore":
        """The store that OPS_S3_… names."""
        client = s3_client(settings)
        return cls(client, settings.s3_bucket, lifetime=settings.url_lifetime, part_bytes=settings.part_bytes)

    async def presign_put(self, key: str, *, size: int, sha256: str, media_type: str) -> JsonObject:
        """The contract's Upload: a PUT whose signature covers length, sha256, media type and If-None-Match: *.

        size: bytes; sha256: hexadecimal.
        """
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        params = {"Key": key, "ContentLength": size, "ContentType": media_type, "ChecksumSHA256": checksum}
        url, expires_at = await self._presign("put_object", {**params, "IfNoneMatch": "*"})
        headers = {"content-length": str(size), "content-type": media_type}
        headers |= {"x-amz-checksum-sha256": checksum, "if-none-match": "*"}
        return {"method": "PUT", "url": url, "headers": headers, "expires_at": expires_at}

    async def presign_get(
        self, key: str, *, filename: str | None = None, media_type: str | None = None, inline: bool = False
    ) -> JsonObject:
        """{url, expires_at} of a GET. filename, media_type: what the store is to answer; inline: shown, not saved."""
        params: JsonObject = {"Key": key}
        if filename or inline:
            name = f"; filename*=UTF-8''{quote(filename.rsplit('/', 1)[-1], safe='')}" if filename else ""
            params["ResponseContentDisposition"] = ("inline" if inline else "attachment") + name
        if media_type:
            params["ResponseContentType"] = media_type
        url, expires_at = await self._presign("get_object", params)
        return {"url": url, "expires_at": expires_at}

    async def head(self, key: str) -> StoredObject | None:
        """What is stored under a key; None when nothing is."""
        return await self._in_thread("HEAD", lambda: self._head(key))

    async def verify(self, key: str, told: Callable[[int], None] = lambda _: None) -> StoredObject | None:
        """Read the whole object, block by block, and hash it; None when nothing is there. told: bytes read so far."""
        async with self._verifying:
            return await self._in_thread("GET", lambda: self._hash(key, told))

    async def read_head(self, key: str, size: int) -> bytes | None:
        """The first bytes of an object, `size` at most; None when nothing is there."""
        return await self._in_thread("GET", lambda: self._read_head(key, size))

    async def remove(self, key: str) -> None:
        """Remove what is stored under a key; nothing there is no error."""
        await self._in_thread("DELETE", lambda: self._client.delete_object(Bucket=self.bucket, Key=key))

    async def open_upload(self, key: str, media_type: str) -> str:
        """Begin an upload in parts; the store's name of it."""
        return await self._in_thread("create", lambda: self._parts.create(key, media_type))

    async def presign_parts(self, key: str, store_id: str, parts: Sequence[Part]) -> list[JsonObject]:
        """The contract's PartUploads: PUTs whose signatures cover part number, length and sha256."""
        seconds = int(self._lifetime.total_seconds())
        expires_at = (self._now() + self._lifetime).isoformat()
        signed = await self._in_thread("sign", lambda: [self._parts.presign(key, store_id, p, seconds) for p in parts])
        return [
            {"number": part.number, "upload": {"method": "PUT", **one, "expires_at": expires_at}}
            for part, one in zip(parts, signed, strict=True)
        ]

    async def list_parts(
        self, key: str, store_id: str, first: int = 1, last: int = MOST_PARTS
    ) -> dict[int, HeldPart] | None:
        """The parts that the store holds, by number; None when it has no such upload (any more)."""
        return await self._in_thread("list", lambda: self._parts.held(key, store_id, first, last))

    async def complete_upload(self, key: str, store_id: str, parts: Sequence[Part], held: dict[int, HeldPart]) -> None:
        """Put the object together, unless there is one or the upload is gone: look what is there afterwards.

        Raises digest_mismatch when the parts held are not those declared.
        """
        await self._in_thread("complete", lambda: self._parts.complete(key, store_id, parts, held))

    async def abort_upload(self, key: str, store_id: str) -> None:
        """Give an upload up, with all its parts; one that is not there is no error."""
        await self._in_thread("abort", lambda: self._parts.abort(key, store_id))

    async def list_uploads(self) -> list[OpenUpload]:
        """All uploads in parts that the bucket has open."""
        return await self._in_thread("list", self._parts.uploads)

    async def check(self) -> None:
        """Raises object_store_unavailable when the bucket cannot be reached with these credentials."""
        await self._in_thread("HEAD", lambda: self._client.head_bucket(Bucket=self.bucket))

    async def _presign(self, method: str, params: JsonObject) -> tuple[str, str]:
        seconds = int(self._lifetime.total_seconds())
        expires_at = (self._now() + self._lifetime).isoformat()
        arguments = {"Bucket": self.bucket, **params}
        url = await self._in_thread(
            "sign", lambda: self._client.generate_presigned_url(method, Params=arguments, ExpiresIn=seconds)
        )
        return str(url), expires_at

    def _head(self, key: str) -> StoredObject | None:
        with _missing_is_none() as found:
            answer = self._client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
            found.append(StoredObject(int(answer["ContentLength"]), _hexadecimal(answer), _version(answer)))
        return found[0] if found else None

    def _hash(self, key: str, told: Callable[[int], None]) -> StoredObject | None:
        with _missing_is_none() as found:
            digest, size = hashlib.sha256(), 0
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
            with closing(answer["Body"]) as body:
                for block in body.iter_chunks(BLOCK):
                    digest.update(block)
                    size += len(block)
                    told(size)
            found.append(StoredObject(size, digest.hexdigest(), _version(answer)))
        return found[0] if found else None

    def _read_head(self, key: str, size: int) -> bytes | None:
        found: list[bytes] = []
        with _missing_is_none(), closing(self._client.get_object(Bucket=self.bucket, Key=key)["Body"]) as body:
            found.append(body.read(size))  # no Range: of an object without bytes there is none to ask for
        return found[0] if found else None

    async def _in_thread(self, verb: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (BotoCoreError, ClientError, HTTPError, OSError) as error:
            log.warning("action=object_store_unavailable verb=%s bucket=%s %s", verb, self.bucket, error)
            raise _unavailable(verb, error) from error


def _version(answer: JsonObject) -> str:
    # The etag alone is made of MD5, of which two values may be one.
    return f"{answer['ETag']} {answer['LastModified'].isoformat()}"


def _hexadecimal(answer: JsonObject) -> str | None:
    # A composite checksum of a multipart upload ("…-3") is no sha256 of the object.
    text = answer.get("ChecksumSHA256")
    if not text or answer.get("ChecksumType") == "COMPOSITE" or "-" in text:
        return None
    return base64.b64decode(text).hex()


@contextmanager
def _missing_is_none() -> Iterator[list[StoredObject]]:
    found: list[StoredObject] = []
    try:
        yield found
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _MISSING:
            raise


def _unavailable(verb: str, error: Exception) -> ContractError:
    # The kind of error only: botocore's texts may name hosts and keys.
    code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else type(error).__name__
    return make(
        "object_store_unavailable",
        f"the object store does not serve {verb}: {code}",
        hint="send the same request again; if it stays so, check OPS_S3_ENDPOINT, OPS_S3_BUCKET and its credentials",
    )
