"""Connections to Trino that stay open from run to run, and say whether a statement can have been sent."""

from __future__ import annotations

from typing import Any

import requests
import requests.adapters
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

NEVER_OPENED = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")


class Connection(HTTPSConnection):
    """One whose handshake fails, or takes too long, was never opened: urllib3 tells that as it tells of an answer that
    does not come, which a statement would have had to be sent for."""

    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise NewConnectionError(self, f"no secure connection: {error}") from error


class Pool(HTTPSConnectionPool):
    ConnectionCls = Connection


class Adapter(requests.adapters.HTTPAdapter):
    """For both schemes."""

    def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
        super().init_poolmanager(*arguments, **settings)
        self.poolmanager.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": Pool}


def reason_of(error: requests.exceptions.RequestException) -> Any:
    """What urllib3 gave up for."""
    return getattr(error.args[0] if error.args else None, "reason", None)


def never_connected(error: requests.exceptions.RequestException) -> bool:
    """Whether the connection could not even be opened, so that nothing was sent."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    return type(reason_of(error)).__name__ in NEVER_OPENED


def plain(error: requests.exceptions.RequestException) -> str:
    """An error without the objects that it names: ``Failed to establish a new connection: … refused``."""
    text = str(reason_of(error) or error)
    return text.partition("): ")[2] or text
