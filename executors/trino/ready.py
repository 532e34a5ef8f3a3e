"""Whether the executor's own Trino takes statements now, asked without a query and without credentials."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import httpx

from executors.trino.settings import TrinoSettings

ASK_SECONDS = 3.0
OUT_OF_ORDER = 500
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def trouble_of(settings: TrinoSettings) -> str | None:
    """What keeps Trino from work and passes by itself; None when nothing does.

    Asked is ``/v1/info``, which needs no login. An answer of another kind comes from what stands before Trino: it is
    up. A certificate that is not trusted is told by the run, which names the settings.
    """
    url = settings.url.rstrip("/")
    try:
        answer = httpx.get(
            f"{url}/v1/info",
            verify=authorities(settings),
            timeout=ASK_SECONDS,
            trust_env=urlsplit(url).hostname not in LOOPBACK,
        )
    except httpx.HTTPError as error:
        refused = "CERTIFICATE_VERIFY_FAILED" in str(error)
        return None if refused else f"Trino at {url} does not answer ({type(error).__name__}: {error})"
    except OSError:  # the file of the authority: told by the run
        return None
    if answer.status_code >= OUT_OF_ORDER:
        return f"Trino at {url} is not ready: it answers {answer.status_code}"
    return f"Trino at {url} is still starting" if is_starting(answer) else None


def authorities(settings: TrinoSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)


def is_starting(answer: httpx.Response) -> bool:
    try:
        found = answer.json()
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("starting") is True
