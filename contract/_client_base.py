"""What the sync and the async client are told, and the requests and errors they make of it alike."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from contract import _calls as calls
from contract import models
from contract._calls import Call, Retry
from contract.deprecation import Deprecation, told
from contract.errors import ContractError

T = TypeVar("T")
OnDeprecated = Callable[[str, Deprecation], None]
log = logging.getLogger("contract.client")
TIMEOUT = httpx.Timeout(connect=5.0, read=30.0, write=30.0, pool=30.0)
Begin = models.BeginFileArtifact | models.BeginTableArtifact
Download = models.ArtifactDownload | models.BundleDownload


def warn(operation: str, deprecation: Deprecation) -> None:
    """One line of this process's log."""
    log.warning("action=contract.deprecated operation=%s this client asks for what is %s", operation, deprecation)


class Base:
    """What both clients are told; the token lives in the HTTP client's headers only, which hides it."""

    def __init__(
        self, url: str, retry: Retry, timeout: httpx.Timeout, clock: Callable[[], float], on_deprecated: OnDeprecated
    ) -> None:
        self.url = calls.check_url(url)
        self._retry, self._timeout, self._clock = retry, timeout, clock
        self._on_deprecated = on_deprecated
        self._noticed: set[str] = set()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _options(self, retry: Retry | None) -> dict[str, object]:
        return (retry or self._retry).tenacity_options(self._clock)

    def _request_of(self, call: Call[Any], traceparent: str | None) -> dict[str, Any]:
        """Arguments of httpx's request."""
        return {
            "method": call.method,
            "url": self.url + calls.PREFIX + call.path,
            "content": call.body,
            "headers": calls.headers(call, traceparent),
            "timeout": calls.timeout(call, self._timeout),
        }

    def _answer(self, call: Call[T], response: httpx.Response) -> T:
        """The answer's model. What it says is deprecated is told once for each operation."""
        deprecation = told(response.headers)
        if deprecation and call.operation not in self._noticed:
            self._noticed.add(call.operation)
            self._on_deprecated(call.operation, deprecation)
        return calls.answer(call, response)

    def _lost(self, call: Call[Any], error: httpx.TransportError) -> ContractError:
        return calls.lost(error, f"{call.method} {self.url}{calls.PREFIX}{call.path}")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {calls.check_token(token)}"}


def target_of(download: Download) -> tuple[str, str]:
    if download.url is None or download.sha256 is None:
        raise ValueError("this artifact is a table; it has no bytes to download")
    return download.url, download.sha256
