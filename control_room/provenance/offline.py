"""Records and bytes of a run out of an archive (:mod:`control_room.provenance.archive`); nothing is unpacked."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from contract.canonical import BLOCK
from control_room.errors import FAILED, MISUSE, ControlRoomError
from control_room.provenance.archive import FORMAT
from control_room.provenance.check_bytes import MissingBytesError
from control_room.provenance.check_events import Chain
from control_room.provenance.findings import Finding, Told

MOST_BYTES = 256 * 2**20  # of a record; objects and events are read in pieces
Json = dict[str, Any]


class Offline:
    """An open archive; `run_id` is the run that it is about. Raises ControlRoomError for what is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed by __exit__
            self._members = self._by_name(self._tar.getmembers())
        except OSError as error:
            raise ControlRoomError(
                f"cannot be read: {error.strerror or error}", where=str(path), exit_code=MISUSE
            ) from error
        except tarfile.TarError as error:
            raise self._broken(f"it is no archive, or cut short: {error}") from error
        index = self._json("index.json")
        if index.get("format") != FORMAT:
            raise self._broken(f"its format is {index.get('format')!r}; this program reads {FORMAT!r}")
        self.run_id = str(index.get("run_id"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._tar.close()

    def record(self, ref: str) -> Json:
        """Of a run_id, or of the number that a record holds."""
        folder = f"runs/{self._id_of(ref)}"
        found = self._json(f"{folder}/record.json")
        if found.get("manifest"):
            envelope = f"{folder}/envelope.json"
            found["manifest"] |= {
                "text": self._text(f"{folder}/manifest.json"),
                "envelope": self._json(envelope) if envelope in self._members else None,
            }
        return {"on_record": None, **found}

    def keys(self) -> Sequence[Mapping[str, Any]]:
        items: list[Json] = self._json("keys.json").get("items", [])
        return items

    def chain(self, run_id: str) -> Chain:
        found = self._json(f"runs/{run_id}/chain.json")
        return Chain(found["head"], found["cut"], self._events(run_id))

    def artifact(self, artifact: Mapping[str, Any]) -> Iterator[bytes]:
        with self._open(f"objects/{artifact['sha256']}", MissingBytesError(artifact["sha256"])) as file:
            while piece := file.read(BLOCK):
                yield piece

    def table(self, run: str, artifact: Mapping[str, Any]) -> Finding:
        """Tables are not in archives."""
        return Told(run, "artifacts").unknown(
            artifact["name"], "tables are not in the archive; `verify RUN` reads them"
        )

    def publication(self, run: str, publication: Mapping[str, Any]) -> Iterator[Finding]:
        """Published data is not in archives."""
        where = f"{publication['output']} at {publication['uri']}"
        yield Told(run, "publications").unknown(where, "published data is not in the archive; `verify RUN` reads it")

    def _events(self, run_id: str) -> Iterator[Json]:
        name = f"runs/{run_id}/events.jsonl"
        with self._open(name, self._broken(f"{name} is not in it")) as file:
            for number, line in enumerate(file, 1):
                try:
                    event: Json = json.loads(line)
                except ValueError:
                    raise self._broken(f"{name}:{number}: it is no JSON") from None
                yield event

    def _id_of(self, ref: str) -> str:
        if f"runs/{ref}/record.json" in self._members:
            return ref
        names = [name for name in self._members if name.startswith("runs/") and name.endswith("/record.json")]
        for name in names:
            if str(self._json(name).get("number")) == ref:
                return name.split("/")[1]
        raise self._broken(f"it holds no run {ref}")

    def _json(self, name: str) -> Json:
        try:
            found = json.loads(self._text(name))
        except ValueError:
            raise self._broken(f"{name} is no JSON") from None
        if not isinstance(found, dict):
            raise self._broken(f"{name} is no JSON object")
        return found

    def _text(self, name: str) -> str:
        with self._open(name, self._broken(f"{name} is not in it")) as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise self._broken(f"{name} is longer than {MOST_BYTES} bytes")
        return data.decode("utf-8", "replace")

    def _open(self, name: str, missing: Exception) -> IO[bytes]:
        member = self._members.get(name)
        file = self._tar.extractfile(member) if member is not None and member.isfile() else None
        if file is None:
            raise missing
        return file

    def _by_name(self, members: Sequence[tarfile.TarInfo]) -> dict[str, tarfile.TarInfo]:
        found = {member.name: member for member in members}
        if len(found) != len(members):
            raise self._broken("a name is in it twice: two readers could see two archives")
        return found

    def _broken(self, text: str) -> ControlRoomError:
        return ControlRoomError(
            text, where=str(self._path), next_step="have it exported again", exit_code=FAILED, code="archive_broken"
        )
