"""Settings of the embedded stack: variables that `control-room up` is given, for as long as the stack runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from control_room.errors import MISUSE, ControlRoomError


class StackSettings(BaseSettings):
    """The stack that `control-room up` starts. Durations are seconds."""

    model_config = SettingsConfigDict(
        env_prefix="OPS_", frozen=True, extra="ignore", env_ignore_empty=True, allow_inf_nan=False
    )

    engine_start_seconds: Annotated[
        float, Field(gt=0, description="Seconds that Trino or Spark gets from its start until it works.")
    ] = 240.0
    spark_idle_seconds: Annotated[
        float,
        Field(
            ge=0, description="Seconds without a client after which a Spark that has grown is started anew; 0: never."
        ),
    ] = 600.0


def settings_found() -> StackSettings:
    """The settings of the environment; ControlRoomError (misuse) for a value that cannot be."""
    try:
        return StackSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"OPS_{str(first['loc'][0]).upper()}"
        raise ControlRoomError(
            f"{name} is {first['input']!r}: {first['msg']}",
            where=name,
            next_step="give a number of seconds, or leave it out",
            exit_code=MISUSE,
        ) from None
