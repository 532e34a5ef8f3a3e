"""Whether the executor's own Spark Connect server takes connections. It listens once its session can work."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

ASK_SECONDS = 3.0
DEFAULT_PORT = 15002


def trouble_of(remote: str) -> str | None:
    """Why nobody can connect to ``sc://HOST:PORT`` now; None when one can, or when only a proxy could tell."""
    where = urlsplit(remote)
    host, port = str(where.hostname), where.port or DEFAULT_PORT
    if {"http", "https", "grpc"} & set(getproxies()) and not proxy_bypass(host):
        return None
    try:
        socket.create_connection((host, port), ASK_SECONDS).close()
    except OSError as error:
        return f"the Spark Connect server at {host}:{port} does not answer ({error})"
    return None
