"""Settings of the executor process: OPS_ variables, each with a command-line option of the same name."""

from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

LONGEST_TOKEN = 4096
RESUME_BYTES = 64 * 2**20
# What leads to a token, a database or a store; the executor needs none of it once its settings are read.
SCRUBBED_PREFIXES = ("OPS_", "PG", "AWS_")


class SettingsError(Exception):
    """A setting is missing or wrong; the text says which and what to do."""


class ExecutorSettings(BaseSettings):
    """One executor process. Durations are seconds."""

    model_config = SettingsConfigDict(env_prefix="OPS_", extra="ignore", frozen=True)

    url: str = Field("", description="URL of the control room. Required.")
    token_file: Path | None = Field(None, description="File with an executor's token.")
    token_fd: int | None = Field(None, description="File descriptor to read the token from, once, in place of a file.")
    connections_file: Path | None = Field(
        None, description="JSON of the connections that runs may name: {name: {kind, endpoint, …}}."
    )
    work_dir: Path | None = Field(
        None, description="Where work folders of runs are made; a folder below the temporary one when left out."
    )
    slots: int = Field(default=1, ge=1, le=1000, description="How many runs at once.")
    name: str = Field("", description="Shown in lists; KIND@HOST when left out.")
    labels: str = Field("", description="name=value,name=value: what templates may require.")
    workspaces: str = Field(
        "", description="name,name: take runs of these only; all that the token allows when left out."
    )
    queues: str = Field("", description="name,name: take runs of these queues only; all when left out.")
    hide: str = Field("", description="Folders that user code must not read, divided by a colon.")
    writable: str = Field("", description="More folders that user code may write to, divided by a colon.")
    cgroup: Path | None = Field(
        None,
        description="Folder of a memory cgroup in which the executor may make one for each run with a memory cap; when "
        "left out, its own of cgroup v2 if that is delegated to it.",
    )
    image: str = Field(
        "", description="The container image that this is, as whoever made it calls it; told with what is installed."
    )
    log_format: str = Field("", description="text or json; text on a terminal, else json, when left out.")
    drain_seconds: float = Field(
        default=10.0, ge=0, description="Seconds that runs get to finish when a signal ends the process."
    )
    claim_wait_seconds: float = Field(
        default=30.0, ge=0, le=60, description="Seconds for which a claim waits for a run."
    )
    resume_bytes: int = Field(
        default=RESUME_BYTES,
        ge=1,
        le=5 * 2**30,
        description="Artifacts of so many bytes and more go up in parts, which survive a lost connection.",
    )
    warm_seconds: float = Field(
        default=60.0,
        ge=0,
        description="Seconds without a run after which what is kept warm for the next one ends (dbt, notebook, SQL).",
    )


def read_token(settings: ExecutorSettings) -> str:
    """The token from OPS_TOKEN_FD (read once and closed) or from the file."""
    if settings.token_fd is not None:
        return checked_token(read_fd(settings.token_fd), f"file descriptor {settings.token_fd}")
    if settings.token_file is None:
        raise SettingsError("no token: set OPS_TOKEN_FILE (or --token-file) to a file that holds an executor's token")
    try:
        return checked_token(settings.token_file.read_text("utf-8"), str(settings.token_file))
    except FileNotFoundError:
        raise SettingsError(f"there is no token file {settings.token_file}; check OPS_TOKEN_FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"token file {settings.token_file} cannot be read: {type(error).__name__}") from None


def read_fd(fd: int) -> str:
    try:
        with os.fdopen(fd, "r", encoding="utf-8") as pipe:
            return pipe.read(LONGEST_TOKEN)
    except (OSError, UnicodeDecodeError) as error:
        text = f"OPS_TOKEN_FD is {fd}, which cannot be read: {type(error).__name__}"
        raise SettingsError(text) from None


def checked_token(text: str, where: str) -> str:
    if not text.strip():
        raise SettingsError(f"{where} holds no token; put an executor's token there")
    return text.strip()


def labels_of(text: str) -> dict[str, str]:
    """``a=1,b=2`` as a dict. SettingsError when it is not of that form."""
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    if bad := [name for name, equals, _ in parts if not equals or not name.strip()]:
        raise SettingsError(f"OPS_LABELS: {bad[0]!r} is no name=value; write name=value,name=value")
    return {name.strip(): value.strip() for name, _, value in parts}


def names_of(text: str) -> list[str] | None:
    """``a,b`` as a list; None (all) when empty."""
    return [part.strip() for part in text.split(",") if part.strip()] or None


def paths_of(text: str) -> list[str]:
    """``/a:/b`` as real paths."""
    return [str(Path(part).resolve()) for part in text.split(os.pathsep) if part]


def default_name(kind: str) -> str:
    return f"{kind}@{socket.gethostname()}"


def default_work_dir(kind: str) -> Path:
    return Path(tempfile.gettempdir()) / f"control-room-{kind}-{os.geteuid()}"


def scrub(environment: MutableMapping[str, str]) -> None:
    """Take from the environment all that leads to the control room or its stores, so that no child can inherit it."""
    for name in [name for name in environment if name.startswith(SCRUBBED_PREFIXES)]:
        del environment[name]


def hidden_paths(settings: ExecutorSettings, work_dir: Path) -> list[str]:
    """What children must not read: the secret files, with the whole folder where it is private (mode 0700)."""
    files = [path.resolve() for path in (settings.token_file, settings.connections_file) if path]
    extra = [Path(part).resolve() for part in settings.hide.split(os.pathsep) if part]
    needed = [work_dir.resolve(), Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()]
    folders = [private_folder(path, needed) for path in files]
    return sorted({str(path) for path in [*folders, *extra] if not any(n.is_relative_to(path) for n in needed)})


def private_folder(path: Path, needed: list[Path]) -> Path:
    """The folder of a secret file if it is there for secrets only, else the file."""
    folder = path.parent
    try:
        private = stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    except OSError:
        return path
    return folder if private and not any(n.is_relative_to(folder) for n in needed) else path
