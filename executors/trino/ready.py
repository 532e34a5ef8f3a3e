"""Whether the executor's own Trino takes statements now, asked without a query and without credentials."""

from __future__ import annotations

import json
import ssl
import time
from urllib.parse import urlsplit

import httpx

from executors.trino.settings import TrinoSettings

ASK_SECONDS = 3.0
MOST_BYTES = 64 * 1024
OUT_OF_ORDER = 500
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def trouble_of(settings: TrinoSettings) -> str | None:
    """What keeps Trino from work and passes by itself; None when nothing does.

    Asked is ``/v1/info``, which needs no login. An answer of another kind comes from what stands before Trino: it is
    up. A certificate that is not trusted is told by the run, which names the settings.
    """
    url = settings.url.rstrip("/")
    try:
        with httpx.stream(
            "GET",
            f"{url}/v1/info",
            headers={"Accept-Encoding": "identity"},
            verify=authorities(settings),
            timeout=ASK_SECONDS,
            trust_env=urlsplit(url).hostname not in LOOPBACK,
        ) as answer:
            status, body = answer.status_code, head_of(answer)
    except httpx.HTTPError as error:
        refused = "CERTIFICATE_VERIFY_FAILED" in str(error)
        return None if refused else f"Trino at {url} does not answer ({type(error).__name__}: {error})"
    except OSError:  # the file of the authority: told by the run
        return None
    if status >= OUT_OF_ORDER:
        return f"Trino at {url} is not ready: it answers {status}"
    return f"Trino at {url} is still starting" if is_starting(body) else None


def head_of(answer: httpx.Response) -> bytes:
    """As much of an answer as Trino's has, waited for no longer: what is at its address may never come to an end."""
    found, until = b"", time.monotonic() + ASK_SECONDS
    for part in answer.iter_raw():
        found += part
        if len(found) > MOST_BYTES or time.monotonic() > until:
            break
    return found


def authorities(settings: TrinoSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)


def is_starting(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("starting") is True
