"""What a template gives to spark-submit, and what spark-submit is given. Pure, but for looks into the bundle.

::

    config:
      submit:
        file: jobs/etl.py             # of the bundle: .py or .jar
        class: com.example.Main       # of a jar whose manifest names none
        args: ["--day", "{params.day}", "--out", "{outputs}"]   # placeholders as of the command executor
        py_files: [lib/helpers.py, lib/more.zip]                # of the bundle, all three
        jars: [lib/udf.jar]
        files: [conf/rules.json]
      conf: {spark.sql.shuffle.partitions: 8}                   # the same settings that are allowed to SQL
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from executors.command.placeholders import Values
from executors.runtime.bundles import check_entrypoint
from executors.runtime.failures import TaskError
from executors.runtime.sql_config import invalid

PYTHON, JAR = ".py", ".jar"
LISTS = {"args": None, "py_files": (PYTHON, ".zip", ".egg"), "jars": (JAR,), "files": None}
KEYS = frozenset({"file", "class", *LISTS})
CLASS = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*")
LOCAL = "local"
LOOPBACK = "127.0.0.1"
SIZE = re.compile(r"\s*(\d+)\s*([kmgt]?)(?:i?b)?\s*", re.IGNORECASE)
POWERS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
# What the user interface shows as stars; Spark's own words, and the catalogs' one.
REDACTED = "(?i)secret|password|token|credential|(?:access|private|account)[._-]?key"


@dataclass(frozen=True)
class Submit:
    """See the module's text. Files by their paths in the bundle."""

    file: str
    main_class: str | None = None
    args: tuple[str, ...] = ()
    py_files: tuple[str, ...] = ()
    jars: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_python(self) -> bool:
        return self.file.endswith(PYTHON)

    def check(self, bundle_dir: Path | None) -> None:
        """TaskError (user) for a file that the bundle does not have."""
        for name in (self.file, *self.py_files, *self.jars, *self.files):
            if not check_entrypoint(name, bundle_dir).is_file():
                raise TaskError("user", "entrypoint_missing", f"the bundle has no file {name!r}")


def submit_of(raw: Any) -> Submit | None:
    """Read ``config.submit``; TaskError (user, config_invalid) says what is wrong."""
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or (set(raw) - KEYS):
        raise invalid("submit", f"must be an object of these keys: {', '.join(sorted(KEYS))}")
    file = raw.get("file")
    if not isinstance(file, str) or not file.endswith((PYTHON, JAR)):
        raise invalid("submit.file", "must name a .py or .jar file of the bundle")
    lists = {key: texts(key, raw.get(key), ends) for key, ends in LISTS.items()}
    return Submit(file, main_class(raw.get("class"), file), **lists)


def main_class(value: Any, file: str) -> str | None:
    if value is None:
        return None
    if not file.endswith(JAR):
        raise invalid("submit.class", f"is of a jar, and {file!r} is Python; leave it out")
    if not isinstance(value, str) or not CLASS.fullmatch(value):
        raise invalid("submit.class", "must be the full name of a class, such as com.example.Main")
    return value


def texts(key: str, value: Any, ends: tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise invalid(f"submit.{key}", "must be a list of texts (put numbers in quotes)")
    if key != "args" and (odd := [each for each in value if "," in each]):
        raise invalid(f"submit.{key}", f"names {odd[0]!r}, but Spark divides names by commas; give it another name")
    if ends and (odd := [each for each in value if not each.endswith(ends)]):
        raise invalid(f"submit.{key}", f"names {odd[0]!r}, which ends in none of {', '.join(ends)}")
    return tuple(value)


def arguments(submit: Submit, properties_file: Path, bundle: Path, values: Values) -> list[str]:
    """All that follows the program spark-submit."""
    named = ["--class", submit.main_class] if submit.main_class else []
    filled = [values.fill(text, f"submit.args[{number}]") for number, text in enumerate(submit.args)]
    return ["--properties-file", str(properties_file), *named, str(bundle / submit.file), *filled]


def file_settings(submit: Submit, bundle: Path, operator: Mapping[str, str]) -> dict[str, str]:
    """The template's files beside the operator's: an option of spark-submit would stand in place of these."""
    lists = {"spark.submit.pyFiles": submit.py_files, "spark.jars": submit.jars, "spark.files": submit.files}
    ours = {name: [str(bundle / each) for each in files] for name, files in lists.items() if files}
    theirs = {name: [operator[name]] if operator.get(name) else [] for name in ours}
    return {name: ",".join([*theirs[name], *files]) for name, files in ours.items()}


def application_settings(
    operator: Mapping[str, str], template: Mapping[str, str], held: Mapping[str, str], master: str, heap: int, port: int
) -> dict[str, str]:
    """All settings of the application: the operator's, the template's, and over them the platform's (``held``).
    heap: bytes that the driver has, and no executor of it has more; port: of its status API, on loopback."""
    own = {
        "spark.submit.deployMode": "client",
        "spark.ui.enabled": "true",
        "spark.ui.port": str(port),
        "spark.ui.killEnabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.redaction.regex": REDACTED,
    }
    if not master.startswith(LOCAL):
        own["spark.executor.memory"] = f"{executor_heap(operator, heap) // 2**20}m"
        # The process is told that it lives on loopback, where its status API is to be; executors must find it.
        own["spark.driver.host"] = operator.get("spark.driver.host") or address_towards(master)
    return {**operator, **template, **held, **own}


def executor_heap(operator: Mapping[str, str], heap: int) -> int:
    """Bytes: what the operator gives to executors, or Spark's own 1 GiB, and no more than the run's driver has."""
    found = SIZE.fullmatch(operator.get("spark.executor.memory", "1g"))
    return min(int(found[1]) * POWERS[found[2].lower()], heap) if found else heap


def address_towards(master: str) -> str:
    """The address of this machine on the way to the master's; its name where the master names no host (yarn)."""
    first = master.removeprefix("k8s://").split(",")[0]
    place = urlsplit(first if "://" in first else f"//{first}")
    with suppress(OSError, ValueError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as towards:
        if place.hostname:
            towards.connect((place.hostname, place.port or 443))  # sends nothing
            return str(towards.getsockname()[0])
    return socket.getfqdn()
