"""How an executor reaches Trino: OPS_TRINO_ variables, or a connection of kind trino that a run declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from executors.runtime.failures import TaskError
from executors.runtime.settings import SettingsError

DEFAULT_USER = "control-room"


class TrinoSettings(BaseSettings):
    """The executor's own Trino."""

    model_config = SettingsConfigDict(env_prefix="OPS_TRINO_", extra="ignore", frozen=True)

    url: str = Field("", description="URL of the coordinator, http or https. Runs may declare connections instead.")
    user: str = Field(DEFAULT_USER, description="Name that statements run under.")
    password_file: Path | None = Field(None, description="File with the user's password; needs an https URL.")
    ca_file: Path | None = Field(
        None, description="PEM file of the authority that certificates of https are checked against; else the system's."
    )
    catalog: str = Field("", description="Catalog of names that say none.")
    schema_name: str = Field("", validation_alias="OPS_TRINO_SCHEMA", description="Schema of names that say none.")

    def connection(self) -> dict[str, Any]:
        """As a connection record. The password is read anew each time, so that a rotated one takes effect.

        TaskError (external, credentials_unreadable) when its file cannot be read.
        """
        found = {
            "kind": "trino",
            "url": self.url,
            "user": self.user,
            "catalog": self.catalog,
            "schema": self.schema_name,
        }
        if self.ca_file:
            found["ca_file"] = str(self.ca_file)
        return found | ({"password": read_password(self.password_file)} if self.password_file else {})

    def checked(self) -> TrinoSettings:
        """These settings; SettingsError when they cannot work."""
        if not self.url:
            return self
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise SettingsError(f"OPS_TRINO_URL is {self.url!r}; give a URL such as http://127.0.0.1:8080")
        if urlsplit(self.url).password:
            raise SettingsError("OPS_TRINO_URL holds a password; put it into a file and set OPS_TRINO_PASSWORD_FILE")
        if self.password_file and urlsplit(self.url).scheme != "https":
            raise SettingsError("OPS_TRINO_PASSWORD_FILE is set, but OPS_TRINO_URL is not https: Trino would refuse it")
        return self


def settings_found() -> TrinoSettings:
    """The settings of the environment; SettingsError when they cannot work."""
    try:
        return TrinoSettings().checked()
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"OPS_TRINO_{str(first['loc'][0]).upper()}: {first['msg']}") from None


def read_password(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        text = f"the password file {path} cannot be read ({type(error).__name__}); check OPS_TRINO_PASSWORD_FILE"
        raise TaskError("external", "credentials_unreadable", text) from None


@dataclass(frozen=True)
class Target:
    """A Trino to talk to."""

    url: str
    user: str
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    catalog: str | None = None
    schema: str | None = None


def target_of(name: str, connections: Mapping[str, Mapping[str, Any]]) -> Target:
    """The Trino of a connection; TaskError (external, trino_undefined) when it is none."""
    found = connections.get(name)
    if found is None or found.get("kind") != "trino" or not found.get("url"):
        where = "set OPS_TRINO_URL" if name == "trino" else f"declare a connection {name!r} of kind trino with a url"
        raise TaskError("external", "trino_undefined", f"the executor knows no Trino {name!r}; {where}")
    return Target(
        url=str(found["url"]).rstrip("/"),
        user=str(found.get("user") or DEFAULT_USER),
        password=found.get("password"),
        ca_file=found.get("ca_file") or None,
        catalog=found.get("catalog") or None,
        schema=found.get("schema") or None,
    )
