"""The certificate of the object store's inner ports: kept while it is good, made anew when it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_room.local import certificates
from control_room.local.certificates import CertificateFiles


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    files = CertificateFiles(tmp_path / "ca.pem", tmp_path / "own.pem", tmp_path / "own.key")
    certificates.ensure(files)
    return files


def contents(files: CertificateFiles) -> list[bytes]:
    return [path.read_bytes() for path in files.paths]


def another_key(files: CertificateFiles) -> None:
    kept = contents(files)[:2]
    files.key.unlink()
    certificates.ensure(files)
    for path, content in zip(files.paths[:2], kept, strict=True):
        path.write_bytes(content)


def another_authority(files: CertificateFiles) -> None:
    kept = contents(files)[1:]
    files.key.unlink()
    certificates.ensure(files)
    for path, content in zip(files.paths[1:], kept, strict=True):
        path.write_bytes(content)


def test_nobody_else_reads_them_and_they_are_kept(files: CertificateFiles) -> None:
    assert {path.stat().st_mode & 0o777 for path in files.paths} == {0o600}
    before = contents(files)
    certificates.ensure(files, datetime.now(UTC) + timedelta(days=8 * 365))
    assert contents(files) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda files: files.authority.unlink(),
        lambda files: files.certificate.write_text("-----BEGIN CERTIFICATE-----\n"),
        lambda files: files.key.write_bytes(b""),
        another_key,
        another_authority,
    ],
    ids=["missing", "cut short", "empty", "another key", "another authority"],
)
def test_what_is_spoilt_is_made_anew(files: CertificateFiles, spoil: Callable[[CertificateFiles], None]) -> None:
    spoil(files)
    before = contents(files) if files.authority.exists() else []
    certificates.ensure(files)
    made = contents(files)
    assert made != before
    certificates.ensure(files)
    assert contents(files) == made


@pytest.mark.parametrize("days", [9 * 365 + 2, 11 * 365, -30], ids=["its last year", "past its end", "not yet valid"])
def test_one_that_does_not_last_is_made_anew(files: CertificateFiles, days: int) -> None:
    before = contents(files)
    certificates.ensure(files, datetime.now(UTC) + timedelta(days=days))
    assert not set(contents(files)) & set(before)


def test_one_for_other_names_is_made_anew(files: CertificateFiles) -> None:
    before = contents(files)
    named = replace(files, hosts=("trino-server",))
    certificates.ensure(named)
    made = contents(named)
    assert not set(made) & set(before)
    certificates.ensure(named)
    assert contents(named) == made
