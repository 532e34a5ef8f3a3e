"""Text that every store accepts: no NUL, no lone surrogates, no secrets."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

NUL = "\x00"
# Postgres refuses \u0000 inside jsonb (22P05), so NUL is shown, never sent.
SHOWN_NUL = "\\x00"
SECRET_KEYS = ("secret", "password", "token", "access_key", "private_key", "credential")
SHORTEST_SECRET = 6
USER_INFO = re.compile(r"://([^/\s]+)@")


def clean_text(text: str) -> str:
    """Return ``text`` with NUL shown as ``\\x00`` and lone surrogates replaced by ``?``."""
    if NUL in text:
        text = text.replace(NUL, SHOWN_NUL)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def clean_json(value: Any) -> Any:
    """Return a JSON-able ``value`` with every string, keys included, cleaned by :func:`clean_text`."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value


def shorten(text: str, limit: int) -> str:
    """Keep the end of a long text: the cause of a failure stands last in a traceback."""
    return text if len(text) <= limit else f"… ({len(text) - limit} characters cut)\n{text[-limit:]}"


def secrets_in(value: Any, key: str = "") -> set[str]:
    """Collect the values below keys that name a secret (``secret_key``, ``password`` and the like)."""
    if isinstance(value, Mapping):
        return set().union(*(secrets_in(item, str(name)) for name, item in value.items()), set())
    if isinstance(value, list | tuple):
        return set().union(*(secrets_in(item, key) for item in value), set())
    secret = isinstance(value, str) and len(value) >= SHORTEST_SECRET and any(s in key.lower() for s in SECRET_KEYS)
    return {value} if secret else set()


def secrets_in_addresses(text: str) -> set[str]:
    """The passwords of the addresses in a text, as they stand there and decoded; of one without, its user: a token."""
    found: set[str] = set()
    for each in USER_INFO.findall(text):
        user, _, password = each.partition(":")
        secret = password or user
        found |= {secret, unquote(secret)}
    return {secret for secret in found if len(secret) >= SHORTEST_SECRET}


def spellings(secret: str) -> set[str]:
    """A secret as pages, JSON, Python and addresses may show it."""
    pages = {html.escape(secret), html.escape(secret, quote=False)}
    texts = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    return {secret, quote(secret), quote(secret, "")} | pages | texts


class Redactor:
    """Replaces known secret values by ``***`` in text and in JSON values."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know more secrets; call it before there is text that may hold them."""
        # Longest first, so that a secret that contains another one disappears whole.
        self._secrets = sorted({*self._secrets, *secrets}, key=len, reverse=True)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def held_back(self, text: str) -> int:
        """Length of the end of ``text`` that may be the start of a secret cut in two."""
        longest = max(map(len, self._secrets), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(secret.startswith(text[-size:]) for secret in self._secrets):
                return size
        return 0

    def json(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.json(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.json(item) for item in value]
        return value
