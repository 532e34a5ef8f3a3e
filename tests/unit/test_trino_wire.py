"""What a Trino that is away, starts, or stops in the middle leaves known: sent or not, and said in short."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytest.importorskip("trino", reason="the trino client is not installed: pip install 'lakehouse-control-room[trino]'")

import requests
from trino.exceptions import HttpError

from control_room.local import certificates
from control_room.local.certificates import CertificateFiles
from executors.runtime.failures import TaskError
from executors.trino import engine
from executors.trino.config import TrinoConfig
from executors.trino.engine import Bound, Query, Session, Unsent, Who
from executors.trino.failure import Scene, failure_of, shown
from executors.trino.ready import trouble_of
from executors.trino.settings import Target, TrinoSettings
from executors.trino.statements import split

NOT_YET = "error 500: b'java.lang.IllegalStateException: authenticators were not loaded\\n\\tat com.google.X(X.java:1)'"
SCENE = Scene(TrinoConfig(tuple(split("insert into t values 1"))), 1, "https://trino:8443", sent=False)
Talk = Callable[[socket.socket], None]


@contextmanager
def serving(talk: Talk) -> Iterator[int]:
    """A port at which each connection is treated so."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]


def answering(status: str, body: str) -> Talk:
    """One answer of HTTP, whatever is asked."""

    def talk(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall((head + body).encode())

    return talk


def silent(connection: socket.socket) -> None:
    threading.Event().wait(60)
    connection.close()


def endless(part: bytes, pause: float) -> Talk:
    """An answer that begins well and comes to no end."""

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(part)
                time.sleep(pause)

    return talk


def hanging_up(connection: socket.socket) -> None:
    with connection:
        connection.recv(64)


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    files = CertificateFiles(tmp_path / "ca.pem", tmp_path / "own.pem", tmp_path / "own.key")
    certificates.ensure(files)
    return files


def secured(files: CertificateFiles, talk: Talk) -> Talk:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)

    def after(connection: socket.socket) -> None:
        with suppress(OSError):
            talk(context.wrap_socket(connection, server_side=True))

    return after


def post(url: str, ca_file: Path) -> Query:
    query = Query()
    session = Session(Target(url, "tester", ca_file=str(ca_file)), Who("test", (), {}), {})
    list(session.run(Bound("insert into t values 1"), query, lambda _: None))
    return query


@pytest.mark.parametrize("talk", [silent, hanging_up])
def test_a_handshake_that_comes_to_nothing_has_sent_nothing(
    files: CertificateFiles, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "REQUEST_SECONDS", (0.5, 60.0))
    with serving(talk) as port, pytest.raises(Unsent, match="no secure connection") as unsent:
        post(f"https://127.0.0.1:{port}", files.authority)
    assert "object at" not in str(unsent.value)
    found = failure_of(unsent.value, SCENE)
    assert (found.failure_class, found.code) == ("external", "trino_unreachable")


@pytest.mark.parametrize("talk", [silent, hanging_up])
def test_an_answer_that_does_not_come_leaves_open_what_was_done(
    files: CertificateFiles, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "REQUEST_SECONDS", (5.0, 0.5))
    with serving(secured(files, talk)) as port, pytest.raises(requests.exceptions.RequestException) as lost:
        post(f"https://127.0.0.1:{port}", files.authority)
    found = failure_of(lost.value, SCENE)
    assert found.code == "outcome_unknown"
    assert "Pool(" not in found.message


def test_a_certificate_that_is_not_trusted_has_sent_nothing_and_is_named(
    files: CertificateFiles, tmp_path: Path
) -> None:
    others = CertificateFiles(tmp_path / "2.pem", tmp_path / "own2.pem", tmp_path / "own2.key")
    certificates.ensure(others)
    with serving(secured(files, silent)) as port, pytest.raises(Unsent, match="certificate verify failed"):
        post(f"https://127.0.0.1:{port}", others.authority)


def test_a_trino_that_starts_is_told_in_a_sentence() -> None:
    found = failure_of(HttpError(NOT_YET), SCENE)
    assert isinstance(found, TaskError)
    assert (found.failure_class, found.code) == ("external", "trino_unreachable")
    assert found.message == "Trino at https://trino:8443 is still starting; it takes statements in a moment"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("error 503", "error 503"),
        ("error 502: b''", "error 502"),
        (NOT_YET, "error 500: java.lang.IllegalStateException: authenticators were not loaded"),
        ("error 502: b'<html><head><title>Oh</title></head><body><h1>Bad\\ngateway</h1></body>'", "error 502: Bad"),
        ("error 500: b'broken \\xff", "error 500: b'broken \\xff"),
        (f"error 500: b'{'x' * 900}'", f"error 500: {'x' * 289}"),
    ],
)
def test_what_an_answer_holds_is_told_without_bytes_stacks_and_pages(text: str, said: str) -> None:
    assert shown(text) == said


def test_a_trino_that_was_ended_in_the_middle_is_told_without_the_clients_objects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(requests.exceptions.ConnectionError) as error:
        engine.web_session(Target(f"http://127.0.0.1:{port}", "tester")).get(f"http://127.0.0.1:{port}/v1/page")
    found = failure_of(error.value, SCENE)
    assert " broke: Failed to establish a new connection: [Errno 111] Connection refused; " in found.message


def settings(url: str, ca_file: Path | None = None) -> TrinoSettings:
    return TrinoSettings(url=url, ca_file=ca_file)


@pytest.mark.parametrize(
    ("talk", "trouble"),
    [
        (answering("200 OK", json.dumps({"starting": True})), "is still starting"),
        (answering("200 OK", json.dumps({"starting": False})), None),
        (answering("500 Internal Server Error", NOT_YET), "it answers 500"),
        (answering("503 Service Unavailable", ""), "it answers 503"),
        (answering("200 OK", "<html>a gateway</html>"), None),
        (answering("200 OK", "[" * 60_000), None),
        (answering("401 Unauthorized", ""), None),
        (hanging_up, "does not answer"),
    ],
)
def test_a_trino_that_is_not_ready_says_so(talk: Talk, trouble: str | None) -> None:
    with serving(talk) as port:
        found = trouble_of(settings(f"http://127.0.0.1:{port}/"))
    assert found is None if trouble is None else trouble in str(found)


@pytest.mark.parametrize("talk", [endless(b" ", 0.5), endless(b" " * 65536, 0)])
def test_an_answer_without_an_end_is_not_waited_for(talk: Talk) -> None:
    begun = time.monotonic()
    with serving(talk) as port:
        assert trouble_of(settings(f"http://127.0.0.1:{port}/")) is None
    assert time.monotonic() - begun < 10


def test_a_trino_behind_tls_is_asked_with_the_authority_of_the_settings(
    files: CertificateFiles, tmp_path: Path
) -> None:
    starting = secured(files, answering("200 OK", json.dumps({"starting": True})))
    with serving(starting) as port:
        url = f"https://127.0.0.1:{port}"
        assert "is still starting" in str(trouble_of(settings(url, files.authority)))
        # What no waiting mends is left to the runs, which tell their authors.
        assert trouble_of(settings(url)) is None
        assert trouble_of(settings(url, tmp_path / "missing.pem")) is None


def test_nobody_at_the_port_is_trouble() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "does not answer" in str(trouble_of(settings(f"http://127.0.0.1:{port}")))
