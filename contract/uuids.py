"""Ids in bodies: UUIDs in the one spelling that ``format: uuid`` names (RFC 9562: hyphens, no braces, no urn).

pydantic reads other spellings too, and what passes the models goes on to the store as it came.
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_SPELLING = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def plain_spelling(value: Any) -> Any:
    """The value as it came. Raises PydanticCustomError for text that is no UUID with hyphens."""
    if isinstance(value, str) and not _SPELLING.fullmatch(value):
        raise PydanticCustomError("uuid_parsing", "Input should be a valid UUID, 32 hexadecimal digits with hyphens")
    return value


Uuid = Annotated[UUID, BeforeValidator(plain_spelling)]
