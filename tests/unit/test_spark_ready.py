"""Whether somebody listens where the Spark Connect server is to be."""

from __future__ import annotations

import socket

import pytest

from executors.spark.ready import trouble_of

PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_server_that_listens_is_no_trouble_and_one_that_is_gone_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        remote = f"sc://127.0.0.1:{server.getsockname()[1]}/;use_ssl=false"
        assert trouble_of(remote) is None
    assert "does not answer" in str(trouble_of(remote))


def test_behind_a_proxy_only_a_run_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert trouble_of("sc://127.0.0.1:1") is None
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert trouble_of("sc://127.0.0.1:1") is not None
