"""How the executor reaches Spark: OPS_SPARK_ variables, or a connection of kind spark that a run declares."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from executors.runtime.failures import TaskError
from executors.runtime.settings import SettingsError
from executors.runtime.text import SHORTEST_SECRET
from executors.spark.config import CONNECT, ISOLATED, SUBMIT, SparkConfig

DEFAULT_MASTER = "local[2]"
# By which Spark's own programs find a cluster, or another Spark than the package's.
CLUSTER_VARIABLES = ("SPARK_HOME", "SPARK_CONF_DIR", "HADOOP_CONF_DIR", "YARN_CONF_DIR", "KUBECONFIG")
# Of a properties file: a line that goes on with the next one, and a character that is written by others.
CONTINUED = re.compile(r"(?<!\\)((?:\\\\)*)\\\r?\n[ \t\f]*")
ESCAPE = re.compile(r"\\(u([0-9a-fA-F]{4})|.)")
SECRET_NAME = re.compile(
    r"secret|password|token|credential$|access[._-]?key|private[._-]?key|account[._-]?key", re.IGNORECASE
)
LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class SparkSettings(BaseSettings):
    """The executor's own Spark."""

    model_config = SettingsConfigDict(env_prefix="OPS_SPARK_", extra="ignore", frozen=True)

    remote: str = Field("", description="Spark Connect server, sc://HOST:PORT. Without one, runs get drivers.")
    token_file: Path | None = Field(
        None,
        description="File with the token that the server wants. It is sent with TLS; without, to localhost alone, "
        "or where the URL says /;use_ssl=false.",
    )
    master: str = Field(
        DEFAULT_MASTER,
        description="Master of drivers of single runs (mode isolated, submit): local[N], spark://…, yarn, k8s://….",
    )
    properties_file: Path | None = Field(
        None, description="Settings of those drivers, as of spark-submit --properties-file: jars, catalogs, stores."
    )

    oom_file: Path | None = Field(
        None,
        description="File that the server's JVM touches when memory runs out (-XX:OnOutOfMemoryError='touch FILE').",
    )

    def connection(self) -> dict[str, Any]:
        """As a connection record. Token and settings are read anew each time, so that rotated ones take effect.

        TaskError (external, credentials_unreadable) when a file cannot be read.
        """
        found: dict[str, Any] = {"kind": "spark", "remote": self.remote, "master": self.master}
        found["environment"] = {name: os.environ[name] for name in CLUSTER_VARIABLES if name in os.environ}
        if self.token_file:
            found["token"] = read_text(self.token_file, "OPS_SPARK_TOKEN_FILE").strip()
        if self.properties_file:
            found["properties"] = properties_of(read_text(self.properties_file, "OPS_SPARK_PROPERTIES_FILE"))
        return found

    def secret_files(self) -> tuple[str, ...]:
        """Files that no run may read."""
        return tuple(str(path.resolve()) for path in (self.token_file, self.properties_file) if path)

    def checked(self) -> SparkSettings:
        """These settings; SettingsError when they cannot work."""
        if self.remote and (urlsplit(self.remote).scheme != "sc" or not urlsplit(self.remote).hostname):
            raise SettingsError(f"OPS_SPARK_REMOTE is {self.remote!r}; give a URL such as sc://localhost:15002")
        if "token=" in self.remote:
            raise SettingsError("OPS_SPARK_REMOTE holds a token; put it into a file and set OPS_SPARK_TOKEN_FILE")
        return self


def settings_found() -> SparkSettings:
    """The settings of the environment; SettingsError when they cannot work."""
    try:
        return SparkSettings().checked()
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"OPS_SPARK_{str(first['loc'][0]).upper()}: {first['msg']}") from None


def read_text(path: Path, setting: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        text = f"the file {path} cannot be read ({type(error).__name__}); check {setting}"
        raise TaskError("external", "credentials_unreadable", text) from None


def properties_of(text: str) -> dict[str, str]:
    """Lines ``name=value`` or ``name value`` of a properties file, with Java's escapes."""
    lines = (line.strip() for line in CONTINUED.sub(r"\1", text).splitlines())
    pairs = (line.replace("=", " ", 1).split(None, 1) for line in lines if line and not line.startswith(("#", "!")))
    return {unescaped(pair[0]): unescaped(pair[1].strip()) for pair in pairs if len(pair) == 2}


def unescaped(text: str) -> str:
    units = ESCAPE.sub(lambda found: chr(int(found[2], 16)) if found[2] else LETTERS.get(found[1], found[1]), text)
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def secrets_of(properties: Mapping[str, str]) -> set[str]:
    """What no text may show of a driver's settings: keys and passwords, and the halves of ``key:secret``."""
    told = {value for name, value in properties.items() if SECRET_NAME.search(name)}
    parts = {part for value in told for part in (value, *value.split(":"))}
    return {part for part in parts if len(part) >= SHORTEST_SECRET}


@dataclass(frozen=True)
class Target:
    """A Spark to talk to. ``mode`` with ``why``; ``remote`` and ``token`` of a server, or what a driver is made of;
    ``environment``: of CLUSTER_VARIABLES."""

    mode: str
    why: str
    remote: str = ""
    token: str | None = field(default=None, repr=False)
    master: str = DEFAULT_MASTER
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict)


def target_of(config: SparkConfig, connections: Mapping[str, Mapping[str, Any]]) -> Target:
    """Where a run is executed, and why there; TaskError (external, spark_undefined) when there is no such Spark."""
    found = connections.get(config.connection)
    if found is None or found.get("kind") != "spark":
        text = f"the executor knows no Spark {config.connection!r}; declare a connection of this name of kind spark"
        raise TaskError("external", "spark_undefined", text)
    if config.mode is None and config.submit is None and found.get("isolate"):
        mode, why = ISOLATED, str(found["isolate"])
    else:
        mode, why = chosen_mode(SUBMIT if config.submit else config.mode, str(found.get("remote") or ""))
    return Target(
        mode,
        why,
        remote=str(found.get("remote") or ""),
        token=found.get("token"),
        master=str(found.get("master") or DEFAULT_MASTER),
        properties={str(name): str(value) for name, value in (found.get("properties") or {}).items()},
        environment={str(name): str(value) for name, value in (found.get("environment") or {}).items()},
    )


def chosen_mode(wanted: str | None, remote: str) -> tuple[str, str]:
    """(mode, why). TaskError (external, spark_undefined) for connect where no server is known."""
    if wanted == CONNECT and not remote:
        text = "config.mode is connect, but the executor knows no Spark Connect server; set OPS_SPARK_REMOTE"
        raise TaskError("external", "spark_undefined", text)
    if wanted:
        return wanted, "the template says so"
    if remote:
        return CONNECT, "the template says nothing, and there is a warm server"
    return ISOLATED, "the template says nothing, and no Spark Connect server is known"
