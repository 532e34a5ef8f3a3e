"""Wheels and sdists of the tests' own making, in a folder to install from."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def make_wheel(
    folder: Path, name: str, files: Mapping[str, str], requires: Sequence[str] = (), version: str = "1.0"
) -> str:
    """Write a wheel; returns its line for a requirements.txt."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    texts = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*texts, f"{info}/RECORD"])
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for each, text in {**texts, f"{info}/RECORD": record}.items():
            wheel.writestr(each, text)
    return line_of(path, name, version)


def make_sdist(folder: Path, name: str, files: Mapping[str, str], version: str = "1.0") -> str:
    """Write a source distribution; returns its line for a requirements.txt."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with tarfile.open(path, "w:gz") as tar:
        for each, text in {**files, "PKG-INFO": metadata}.items():
            member = tarfile.TarInfo(f"{name}-{version}/{each}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return line_of(path, name, version)


def line_of(path: Path, name: str, version: str) -> str:
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
