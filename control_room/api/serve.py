"""Runs the server: `python -m control_room.api.serve` with OPS_ settings and libpq's PG variables."""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from contract.server.settings import ServerSettings
from control_room.api.app import create_app, stop_waiting

GRACE_SECONDS = 5
# Longer than executors pause between two heartbeats, or each would be a connection of its own.
KEEP_ALIVE_SECONDS = 75
BAD_SETTINGS = 2
# These write whole URLs at INFO, and the signature of a presigned one is a secret for as long as it lives.
_TOO_TALKATIVE = ("httpx", "httpcore", "botocore", "boto3", "urllib3")
log = logging.getLogger("control_room.api")


class ServeError(Exception):
    """The server cannot start; the text says why and what to do."""


class PromptServer(uvicorn.Server):
    """A uvicorn server that lets long polls and event streams go before it waits for what is still open.

    interrupted: whether it was stopped by Ctrl-C; not every event loop hands that on.
    """

    interrupted = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called on SIGINT and SIGTERM."""
        self.interrupted = self.interrupted or sig == signal.SIGINT
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn once it was told to stop."""
        app = self.config.app
        if isinstance(app, FastAPI):
            stop_waiting(app)
        await super().shutdown(sockets)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: ServerSettings) -> None:
    """Raises ServeError when the embedded stack would listen beyond this machine."""
    if settings.environment == "embedded" and not is_loopback(settings.host):
        raise ServeError(
            f"OPS_HOST={settings.host} is reachable from other machines, and the embedded stack is made for this one "
            "alone. Listen on 127.0.0.1, or set OPS_ENVIRONMENT=production with a Postgres and an object store whose "
            "credentials are your own."
        )


def bind(settings: ServerSettings) -> socket.socket:
    """A listening socket. Raises ServeError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise ServeError(f"cannot listen on {where}: {error.strerror or error}. Free it, or set OPS_PORT.") from None
    listener.set_inheritable(True)
    return listener


def read_settings() -> ServerSettings:
    """The settings of the environment. Raises ServeError that names each wrong variable."""
    try:
        return ServerSettings()
    except ValidationError as error:
        lines = [f"OPS_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        raise ServeError("settings: " + "; ".join(lines)) from None


def serve(settings: ServerSettings) -> None:
    """Serve until told to stop. Raises ServeError."""
    check_exposure(settings)
    with bind(settings) as listener:
        port = listener.getsockname()[1]
        if settings.port == 0:
            settings = settings.model_copy(update={"port": port, "public_url": _with_port(settings.public_url, port)})
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            lifespan="on",
        )
        log.info("action=listening url=%s", settings.public_url)
        # The app is some hundred thousand objects that live as long as the process: no collection shall walk them.
        gc.collect()
        gc.freeze()
        server = PromptServer(config)
        server.run(sockets=[listener])
        if server.interrupted:
            raise KeyboardInterrupt


def _with_port(url: str, port: int) -> str:
    return f"{url[:-2]}:{port}" if url.endswith(":0") else url


def configure_logging() -> None:
    """Plain lines on stderr; time in UTC."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        stream=sys.stderr,
        level=os.environ.get("OPS_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _leave(*_: object) -> None:
    raise SystemExit(0)


def main() -> None:
    """Entry point. Ends with exit code 0 when told to stop, 2 when it cannot start."""
    configure_logging()
    # uvicorn handles the signal while it serves, and hands it on when it is done: being told to stop is no failure.
    signal.signal(signal.SIGTERM, _leave)
    try:
        serve(read_settings())
    except ServeError as error:
        sys.stderr.write(f"control-room server: {error}\n")
        raise SystemExit(BAD_SETTINGS) from None
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


if __name__ == "__main__":
    main()
