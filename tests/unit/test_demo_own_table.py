"""Reading somebody's own table: a file in another encoding is named as such, wherever its letters stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_room.demo.table.generate import InputFileError, generate


@pytest.mark.parametrize("text", ["straße;wert\na;1\n", "ort;wert\nstraße;1\n"], ids=["heading", "row"])
def test_a_windows_file_is_told_with_the_command_that_converts_it(tmp_path: Path, text: str) -> None:
    source = tmp_path / "zaehler.csv"
    source.write_bytes(text.encode("cp1252"))
    (tmp_path / "made").mkdir()
    with pytest.raises(InputFileError, match=r"not UTF-8.*iconv -f WINDOWS-1252"):
        generate(source, tmp_path / "made")
