"""The command part of a template: which program, with what.

::

    kind: command
    config:
      argv: [/usr/bin/rsync, --archive, "{inputs.export}", "backup:{params.day}/"]
      env: {MODE: fast, RSYNC_PASSWORD: {secret: backup.password}}   # key `password` of the run's connection `backup`
      stdin: "{params}"                                              # text; nothing when left out
      exit_codes: [0, 24]                                            # success; 0 alone when left out
      image: registry/tool:1.4                                       # in a container, where the executor allows it
      cpus: 0.5                                                      # of the container
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from executors.runtime.sql_config import invalid

# The conformance kit's workload, which executors.command.drill does with a program of its own.
DRILL = "conformance:run"
KEYS = ("argv", "env", "stdin", "exit_codes", "image", "cpus")
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
IMAGE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$")
# Many another name makes a program that is allowed run code that is not: LD_PRELOAD, HOME with a .gitconfig in it, …
HARMLESS = re.compile(r"^(LANG|LC_[A-Z]+|TZ)$")


@dataclass(frozen=True)
class Secret:
    """A key of a connection that the run declares."""

    connection: str
    key: str


@dataclass(frozen=True)
class CommandConfig:
    """See the module's text."""

    argv: tuple[str, ...]
    env: Mapping[str, str | Secret] = field(default_factory=dict)
    stdin: str | None = None
    exit_codes: frozenset[int] = frozenset({0})
    image: str | None = None
    cpus: float | None = None


def parse_config(job: Mapping[str, Any]) -> CommandConfig:
    """Read a job's config; TaskError (user, ``config_invalid``) says which key is wrong."""
    raw = dict(job.get("config") or {})
    if unknown := sorted(set(raw) - set(KEYS)):
        raise invalid(unknown[0], f"is unknown; known keys: {', '.join(KEYS)}")
    if job.get("entrypoint"):
        raise invalid("argv", f"is what a command executes; leave the entrypoint {job['entrypoint']!r} out")
    if job.get("outputs"):
        raise invalid("argv", "cannot publish tables; leave outputs out, and write files to the folder outputs")
    return CommandConfig(
        argv=argv(raw.get("argv")),
        env=env(raw.get("env")),
        stdin=text("stdin", raw.get("stdin")),
        exit_codes=exit_codes(raw.get("exit_codes", [0])),
        image=image(raw.get("image")),
        cpus=cpus(raw.get("cpus")),
    )


def argv(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value) or not value[0]:
        raise invalid("argv", "must be a list of texts, the program first, such as [/usr/bin/rsync, --archive]")
    if "{" in value[0]:
        raise invalid("argv", f"begins with {value[0]!r}: the program must be named, no value can take its place")
    return tuple(value)


def env(value: Any) -> dict[str, str | Secret]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise invalid("env", "must be an object: variable -> text, or {secret: connection.key}")
    if wrong := [name for name in value if not NAME.fullmatch(str(name))]:
        raise invalid(f"env.{wrong[0]}", "is no name of a variable; use letters, digits and _")
    return {name: variable(name, each) for name, each in value.items()}


def variable(name: str, value: Any) -> str | Secret:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        raise invalid(f"env.{name}", f"must be a text; put it in quotes: '{value}'")
    found = value.get("secret") if isinstance(value, Mapping) and set(value) == {"secret"} else None
    connection, dot, key = str(found or "").partition(".")
    if not (dot and connection and key):
        raise invalid(f"env.{name}", "must be a text, or {secret: connection.key}")
    return Secret(connection, key)


def exit_codes(value: Any) -> frozenset[int]:
    fits = isinstance(value, list) and value and all(type(each) is int and 0 <= each <= 255 for each in value)
    if not fits:
        raise invalid("exit_codes", "must be a list of numbers from 0 to 255")
    return frozenset(value)


def text(key: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise invalid(key, "must be a text")


def image(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and IMAGE.fullmatch(value)):
        return value
    raise invalid("image", "must be the name of an image, such as registry.example/tool:1.4")


def cpus(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= 1024:
        raise invalid("cpus", "must be a number from 0.01 to 1024")
    return float(value)


def check_variables(config: CommandConfig, named: Collection[str]) -> None:
    """Where only some programs are allowed, a template sets what can make them run no others. TaskError (user).

    ``named``: what the executor's operator allows beside it.
    """
    if others := sorted(name for name in config.env if name not in named and not HARMLESS.fullmatch(name)):
        text = "may make a program run other code; without `bundle` on its list this executor lets templates set LANG, "
        text += f"LC_*, TZ and what OPS_COMMAND_ENV names ({', '.join(sorted(named)) or 'nothing'})"
        raise invalid(f"env.{others[0]}", text)
