"""What a DuckDB error means: failure class, code, message, and where in the script. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from executors.runtime.failures import TaskError, is_network

LINE = re.compile(r"^LINE (\d+): (.*)$", re.MULTILINE)
# By name of the exception; what is not here is the user's.
CLASSES = {
    "OutOfMemoryException": ("resources", "out_of_memory"),
    "IOException": ("external", "io_failed"),
    "HTTPException": ("external", "io_failed"),
    "ConnectionException": ("external", "connection_failed"),
    "InternalException": ("internal", "duckdb_defect"),
    "FatalException": ("internal", "duckdb_defect"),
}
# A table that is not there, and DuckDB's guess at what was meant, which may be a view of its own catalog.
NO_TABLE = re.compile(
    r"Table with name .* does not exist(?P<guess>.*?(?:Did you mean \"(?P<near>[^\"]*)\".*)?)\Z", re.DOTALL
)
SYSTEM = re.compile(r"pg_|duckdb_|sqlite_|pragma_|information_schema")
FULL = ("no space left", "max_temp_directory_size")
HINTS = {
    "out_of_memory": "give the run more memory (caps.memory_bytes), or let it hold less at once",
    "disk_full": "make room on the executor's disk, or let the query spill less",
}


@dataclass(frozen=True)
class Scene:
    """Where it happened: statement number (from 1) of how many, its text, and the script with where in it that begins
    (from 0); the run's inputs, by the names that SQL has for them."""

    number: int
    of: int
    query: str
    script: str
    at: int = 0
    file: str | None = None
    inputs: tuple[str, ...] = ()

    def position(self, offset: int | None = None) -> dict[str, Any]:
        """{statement, line, column} of an offset in the script, else of the statement; and the file of the bundle."""
        offset = min(self.at if offset is None else offset, len(self.script))
        line = self.script.count("\n", 0, offset) + 1
        column = offset - self.script.rfind("\n", 0, offset)
        told = {"statement": self.number, "line": line, "column": column}
        return {"file": self.file, **told} if self.file else told


def failure_of(error: Exception, scene: Scene) -> TaskError:
    """The error of a run whose statement failed."""
    text = str(error).strip()
    failure_class, code = verdict(error, text)
    head = f"statement {scene.number} of {scene.of}: " if scene.of > 1 else ""
    told = LINE.split(text)[0].strip() if LINE.search(text) else text
    hint = f"; {HINTS[code]}" if code in HINTS else ""
    if missing := NO_TABLE.search(told):
        told, hint = told[: missing.start("guess")].rstrip(" !."), f"; {others(missing, scene)}"
    return TaskError(failure_class, code, f"{head}{told}{hint}", trace=text, position=place(text, scene))


def others(missing: re.Match[str], scene: Scene) -> str:
    """What is there in the place of a table that is not: inputs, and what DuckDB guesses beside its own catalog."""
    guess = missing.group("near")
    meant = f"did you mean {guess}? " if guess and not SYSTEM.match(guess) else ""
    return f"{meant}the run's inputs are: {', '.join(scene.inputs) or 'none'}"


def verdict(error: Exception, text: str) -> tuple[str, str]:
    name = type(error).__name__
    if any(words in text.lower() for words in FULL):
        return "resources", "disk_full"
    if is_network(error):
        return "external", "connection_failed"
    return CLASSES.get(name, ("user", code_of(name)))


def code_of(name: str) -> str:
    """``ParserException`` -> ``parser_error``."""
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Exception").removesuffix("Error")).lower()
    return f"{words or 'sql'}_error"


def place(text: str, scene: Scene) -> dict[str, Any]:
    """Where in the script the mark below the quoted line points.

    DuckDB (2.0) counts from the script's beginning, and shows the place at as many characters of the statement.
    """
    found = LINE.search(text)
    if not found:
        return scene.position()
    lines = scene.query.split("\n")[: int(found.group(1)) - 1]
    return scene.position(sum(len(line) + 1 for line in lines) + caret(text, found))


def caret(text: str, found: re.Match[str]) -> int:
    """Which character of the quoted line the mark below it points at, from 0."""
    below = text[found.end() :].lstrip("\n").split("\n")[0]
    return max(0, below.find("^") - (len(found.group(0)) - len(found.group(2))))
