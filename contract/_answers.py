"""Reading the answers of servers that may be newer or older than this client."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from contract.errors import Conflict, ContractError
from contract.versions import order

T = TypeVar("T")
# What a word that this client does not know is taken for, by member: what changes least, or risks least.
UNKNOWN = {"directive": "continue", "on_lapse": "stop", "rerun": "unsafe", "decision": "wait", "run_state": "waiting"}
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def reader(model: type[T]) -> Callable[[bytes], T]:
    """Reads an answer's body into the model; members it does not know are left out. Raises ValidationError."""
    adapter: TypeAdapter[T] = _ADAPTERS.setdefault(model, TypeAdapter(model))

    def read(body: bytes) -> T:
        try:
            return adapter.validate_json(body)
        except ValidationError as error:
            value = from_json(body) if _forgivable(error) else None
            if value is None:
                raise
            for place in error.errors(include_url=False):
                _forgive(value, place)
            return adapter.validate_json(_to_json(value))

    return read


def _forgivable(error: ValidationError) -> bool:
    """Whether nothing but unknown words is wrong with an answer."""
    places = error.errors(include_url=False)
    return all(one["type"] == "literal_error" and one["loc"] and one["loc"][-1] in UNKNOWN for one in places)


def _forgive(value: Any, place: ErrorDetails) -> None:
    *way, name = place["loc"]
    for step in way:
        value = value[step]
    value[name] = UNKNOWN[str(name)]


def _to_json(value: Any) -> bytes:
    return TypeAdapter(Any).dump_json(value)


def too_old(operation: str, since: str, status: int, spoken: str) -> ContractError | None:
    """What a server says by 404 or 405 to an operation that came after the contract version it speaks."""
    if status not in (404, 405) or not re.fullmatch(r"[0-9]+\.[0-9]+", spoken) or order(spoken) >= order(since):
        return None
    return Conflict(
        f"{operation} came with contract {since}; the control room speaks {spoken}",
        code="contract_version_unsupported",
        status=status,
        hint=f"upgrade the control room, or use the operations of {spoken}",
    )
