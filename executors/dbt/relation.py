"""An input of the run as a relation of the project."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Relation:
    """An input and where the project expects it."""

    input: str
    schema: str
    table: str

    @property
    def name(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.table)}"

    @property
    def arrow_name(self) -> str:
        return f"control_room_input_{self.input}"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
