"""The executor kit's HTTP server on loopback: the plane below /executor/v1, a tiny object store below /store."""

import base64
import hashlib
import json
import select
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from contract.conformance.plane import DOCUMENT, Plane, checked, route
from contract.conformance.room import Call, Fault, Room
from contract.errors import PROBLEM_MEDIA_TYPE, ContractError, make

RETRY_AFTER = "retry-after"


class Handler(BaseHTTPRequestHandler):
    """One connection. `room` and `plane` are set by `serve`."""

    protocol_version = "HTTP/1.1"
    room: Room
    plane: Plane

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the calls are on record."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _any(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith("/store/"):
            self._store(path.removeprefix("/store/"))
        else:
            self._operation(path)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _any  # noqa: N815 - the names of http.server

    # The plane ------------------------------------------------------------------------------------------------------

    def _operation(self, path: str) -> None:
        raw = self._body()
        found = route(self.command, path)
        operation, parameters = found or ("unknown", {})
        call = Call(
            time.monotonic(), operation, path, loose(raw), parameters.get("executor_id"), parameters.get("run_id")
        )
        fault = self.room.take_fault(call.verbs)
        call.fault = fault.how if fault else None
        with self.room.changing():
            self.room.calls.append(call)
            self.room.on_call(call)
        if fault and not self._survives(fault, call):
            return
        status, body, media_type = self._apply(operation, parameters, raw, call)
        with self.room.changing():
            call.heard = self._is_awaited()
            call.status, call.answer, call.ended = status, body, time.monotonic()
        if fault and fault.how == "lose":
            self._hang_up()
        else:
            self._answer(status, body, media_type)

    def _is_awaited(self) -> bool:
        """Whether the caller still waits for its answer: it has not closed the connection."""
        with suppress(OSError):
            readable, _, _ = select.select([self.connection], [], [], 0)
            return not readable or self.connection.recv(1, socket.MSG_PEEK) != b""
        return False

    def _survives(self, fault: Fault, call: Call) -> bool:
        """Whether the request gets as far as the plane."""
        if fault.how == "drop":
            self._hang_up()
            return False
        if fault.how == "unavailable":
            call.status = 503
            body = make("database_unavailable", "the conformance kit is unavailable for a moment").problem()
            self._answer(503, body, PROBLEM_MEDIA_TYPE, {RETRY_AFTER: f"{fault.seconds:g}"})
            return False
        if fault.how == "stall":
            with self.room.changed:
                self.room.changed.wait_for(lambda: self.room.closing or fault.released, fault.seconds)
        return True

    def _apply(self, operation: str, parameters: dict[str, str], raw: bytes, call: Call) -> tuple[int, Any, str]:
        try:
            if operation == "unknown" or operation in self.room.edition.lacks:
                raise make("not_found", f"there is nothing at {self.command} {call.path}")
            self._check_caller()
            if operation == "getContract":
                return 200, DOCUMENT.read_bytes(), "application/yaml"
            if raw and "application/json" not in self.headers.get("content-type", ""):
                raise make("unsupported_media_type", f"{self.headers.get('content-type')} is not read here")
            body = checked(operation, raw)
            self.room.edition.check(operation, body)
            with self.room.changing():
                status, answer = self.plane.verbs[operation](body, **parameters)
            return status, self.room.edition.told(operation, answer), "application/json"
        except ContractError as error:
            self._note(operation, error)
            return error.status, self.room.edition.told(operation, error.problem()), PROBLEM_MEDIA_TYPE

    def _check_caller(self) -> None:
        if self.headers.get("authorization", "") != f"Bearer {self.room.token}":
            raise make("unauthenticated", "the token of OPS_TOKEN_FILE did not come with the request")

    def _note(self, operation: str, error: ContractError) -> None:
        """A request that breaks the document is on record: no case passes with one."""
        if error.status in (400, 401, 405, 413, 415, 422) or error.code == "not_found":
            with self.room.changing():
                self.room.violations.append(f"{operation}: {error.detail}")

    # The object store -----------------------------------------------------------------------------------------------

    def _store(self, key: str) -> None:
        fault = self.room.take_fault({f"{self.command} object"})
        if fault and fault.how == "drop":
            return self._hang_up()
        data = self._body()
        if fault and fault.how == "unavailable":
            return self._answer(503, b"<Error><Code>SlowDown</Code></Error>", "application/xml")
        if self.command == "PUT":
            status, code = self._put(key, data)
            if fault and fault.how == "lose":
                return self._hang_up()
            body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
            return self._answer(status, body, "application/xml")
        if self.command == "GET" and key.startswith("bundles/"):
            return self._answer(200, self.room.bundle, "application/gzip")
        return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>", "application/xml")

    def _put(self, key: str, data: bytes) -> tuple[int, str]:
        """Store, or refuse as S3 does: unsigned headers, other bytes, an object that is there."""
        with self.room.changing():
            artifact = next((a for a in self.room.artifacts.values() if a.key == key), None)
            if artifact is None or "X-Amz-Signature=" not in self.path:
                return 403, "AccessDenied"
            signed = base64.b64encode(bytes.fromhex(artifact.body["sha256"])).decode()
            sent = (self.headers.get("x-amz-checksum-sha256"), self.headers.get("content-type"))
            if sent != (signed, artifact.body["media_type"]) or self.headers.get("if-none-match") != "*":
                self.room.violations.append(
                    f"PUT {artifact.body['name']}: not all headers of `upload` came as they were"
                )
                return 403, "SignatureDoesNotMatch"
            if artifact.data is not None:
                return 412, "PreconditionFailed"
            if len(data) != artifact.body["size"] or hashlib.sha256(data).hexdigest() != artifact.body["sha256"]:
                came = f"{len(data)} bytes of sha256 {hashlib.sha256(data).hexdigest()[:12]}…"
                due = f"{artifact.body['size']} of {artifact.body['sha256'][:12]}…"
                self.room.violations.append(f"PUT {artifact.body['name']}: {came} came, announced were {due}")
                return 400, "BadDigest"
            artifact.data = data
            return 200, ""

    # HTTP -----------------------------------------------------------------------------------------------------------

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _answer(self, status: int, body: Any, media_type: str, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        with suppress(OSError):  # who has gone needs no answer
            self.send_response(status)
            for name, value in self._headers(media_type, headers).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def _headers(self, media_type: str, more: dict[str, str] | None) -> dict[str, str]:
        return self.room.edition.headers() | {"content-type": media_type, **(more or {})}

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def loose(raw: bytes) -> dict[str, Any]:
    """The body as it came, for the record; empty when it is no JSON object."""
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


class Wire(ThreadingHTTPServer):
    """The server of one case. Use it as a context manager; `room.url` says where it listens."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, room: Room) -> None:
        handler = type("RoomHandler", (Handler,), {"room": room, "plane": Plane(room)})
        super().__init__(("127.0.0.1", 0), handler)
        self.room = room
        room.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=lambda: self.serve_forever(0.05), name="conformance", daemon=True)

    def __enter__(self) -> "Wire":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.room.close()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that the executor ended is nobody's error."""
