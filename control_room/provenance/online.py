"""Records and bytes of runs by a control room's API; published data by the connections file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from control_room.client import OperatorClient
from control_room.errors import UNAVAILABLE, ControlRoomError
from control_room.provenance.check_bytes import MissingBytesError, UnreadableBytesError
from control_room.provenance.check_events import Chain
from control_room.provenance.findings import Finding
from control_room.provenance.lake import Connections, check_publication, check_table

Json = dict[str, Any]


class Online:
    """connections: name -> connection, None when published data is not to be read."""

    def __init__(self, client: OperatorClient, connections: Connections | None) -> None:
        self._client, self._connections = client, connections
        self._keys: list[Json] | None = None

    def record(self, ref: str) -> Json:
        return self._client.manifest(ref)

    def keys(self) -> Sequence[Mapping[str, Any]]:
        if self._keys is None:
            self._keys = self._client.signing_keys()
        return self._keys

    def chain(self, run_id: str) -> Chain:
        first = self._client.chain(run_id)
        return Chain(first["head"], first["cut"], self._events(run_id, first["items"]))

    def _events(self, run_id: str, page: list[Json]) -> Iterator[Json]:
        while page:
            yield from page
            page = self._client.chain(run_id, after_seq=page[-1]["seq"])["items"]

    def artifact(self, artifact: Mapping[str, Any]) -> Iterator[bytes]:
        try:
            yield from self._client.artifact_bytes(artifact["artifact_id"])
        except ControlRoomError as error:
            if error.code in ("bytes_missing", "artifact_expired"):
                raise MissingBytesError from None
            if error.exit_code == UNAVAILABLE:
                raise
            raise UnreadableBytesError(error.what) from None

    def table(self, run: str, artifact: Mapping[str, Any]) -> Finding:
        return check_table(run, artifact, self._connections)

    def publication(self, run: str, publication: Mapping[str, Any]) -> Iterator[Finding]:
        return check_publication(run, publication, self._connections)
