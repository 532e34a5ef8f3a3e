"""What a command executor may start: OPS_COMMAND_ variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from executors.command.allow import BUNDLE, entries
from executors.command.config import NAME
from executors.runtime.settings import SettingsError


class CommandSettings(BaseSettings):
    """Without OPS_COMMAND_ALLOW a command executor does not start."""

    model_config = SettingsConfigDict(env_prefix="OPS_COMMAND_", extra="ignore", frozen=True)

    allow: str = Field(
        "",
        description="What templates may start, divided by commas: absolute paths of programs; `bundle` for any file of "
        "a run's bundle; `image:PATTERN` for container images, with `*` for any characters but `/`. Required.",
    )
    env: str = Field(
        "",
        description="Names of variables that templates may set where `bundle` is not allowed, divided by commas, "
        "beside LANG, LC_ and TZ.",
    )
    containers: Path | None = Field(
        None, description="Path of the docker client (or one with its options). Without it no run may name an image."
    )
    network: str = Field("none", description="The network of containers.")
    cpus: float = Field(
        default=1.0, gt=0, le=1024, description="Processors of a container, unless its template asks for fewer."
    )
    user: str = Field(
        "", description="USER:GROUP, in numbers, of containers; the executor's own when left out, 65534:65534 for root."
    )

    def checked(self) -> CommandSettings:
        """These settings; SettingsError when they cannot work."""
        if self.containers and not (self.containers.is_absolute() and self.containers.is_file()):
            text = f"OPS_COMMAND_CONTAINERS is {str(self.containers)!r}; give the absolute path of the docker client"
            raise SettingsError(text)
        if self.containers and BUNDLE in entries(self.allow):
            text = "OPS_COMMAND_ALLOW has `bundle` beside OPS_COMMAND_CONTAINERS: code of a bundle could reach the "
            text += "engine's socket, and own the machine; give containers an executor of their own, as another user"
            raise SettingsError(text)
        if wrong := [name for name in entries(self.env) if not NAME.fullmatch(name)]:
            raise SettingsError(f"OPS_COMMAND_ENV: {wrong[0]!r} is no name of a variable; divide names by commas")
        numbers = self.user.split(":")
        if self.user and not (len(numbers) == 2 and all(part.isdigit() for part in numbers)):
            raise SettingsError(f"OPS_COMMAND_USER is {self.user!r}; give numbers as USER:GROUP, such as 1000:1000")
        return self
