"""Settings of the server process: OPS_ variables; Postgres is reached through libpq's own (PGHOST, PGDATABASE, …)."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServerSettings(BaseSettings):
    """The server process. Durations are ISO 8601 (PT15M), H:MM:SS, or seconds."""

    model_config = SettingsConfigDict(env_prefix="OPS_", frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Where to listen; loopback unless told otherwise.")
    port: Annotated[int, Field(ge=0, le=65535, description="Where to listen; 0 lets the system choose.")] = 8000
    public_url: str = Field("", description="How browsers and executors reach it; http://HOST:PORT when left out.")
    web_dir: Path | None = Field(None, description="Folder of the built dashboard; the package's own when left out.")
    environment: Literal["embedded", "production"] = Field(
        "production", description="embedded: a stack on this machine alone, as `up` starts it."
    )
    s3_endpoint: str | None = Field(
        None, description="URL of the object store, as executors and browsers reach it too; left out for AWS itself."
    )
    s3_region: str = Field("us-east-1", description="Region of the store.")
    s3_bucket: str = Field("artifacts", description="Bucket of artifacts and bundles.")
    s3_credentials_file: Path | None = Field(
        None, description="JSON {access_key, secret_key} for the store; left out for the AWS chain."
    )
    connections_file: Path | None = Field(None, description="Connections of the process that publishes tables.")
    commits_at_once: Annotated[
        int,
        Field(ge=1, le=64, description="Publications of dead executors committed side by side; objects pass TMPDIR."),
    ] = 4
    signing_key_file: Path | None = Field(
        None, description="PEM of the Ed25519 key that signs manifests; left out, they are made unsigned."
    )
    lineage_url: str | None = Field(
        None,
        description="Who takes OpenLineage events by POST, such as https://marquez.example/api/v1/lineage.",
    )
    lineage_token_file: Path | None = Field(None, description="Bearer token of the address above, read anew each time.")
    lineage_namespace: str = Field(
        "lakehouse-control-room", min_length=1, max_length=200, description="Of jobs in OpenLineage events."
    )
    part_bytes: Annotated[
        int,
        Field(ge=5 * 2**20, le=5 * 2**30, description="Of uploads in parts; larger where 10,000 would not be enough."),
    ] = 16 * 2**20
    url_lifetime: timedelta = Field(timedelta(minutes=15), description="Of presigned URLs: 1 second to 15 minutes.")
    claim_poll: timedelta = Field(
        timedelta(seconds=2), description="How often a waiting claim looks for itself although nobody woke it."
    )

    @field_validator("url_lifetime")
    @classmethod
    def _short(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value <= timedelta(minutes=15):
            raise ValueError("presigned URLs live between 1 second and 15 minutes")
        return value

    @field_validator("s3_endpoint", "public_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} is no http or https URL")
        return value.rstrip("/") if value else value

    @model_validator(mode="before")
    @classmethod
    def _derive_public_url(cls, values: dict[str, object]) -> dict[str, object]:
        if values.get("public_url"):
            return values
        return {**values, "public_url": f"http://{values.get('host', '127.0.0.1')}:{values.get('port', 8000)}"}

    @model_validator(mode="after")
    def _credentials_readable(self) -> Self:
        self.s3_credentials()
        return self

    def s3_credentials(self) -> tuple[str, SecretStr] | None:
        """(access key, secret key), or None for the AWS chain. ValueError, naming the file, when it cannot be read."""
        path = self.s3_credentials_file
        if path is None:
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return str(found["access_key"]), SecretStr(str(found["secret_key"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "expected JSON {access_key, secret_key}"
            raise ValueError(f"OPS_S3_CREDENTIALS_FILE {path}: {reason}") from None
