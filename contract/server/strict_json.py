"""Reading request bodies: strict JSON first, then the contract's model. What passes can be stored as it came."""

import json
import math
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from contract.errors import ContractError, make

JsonObject = dict[str, Any]
MAX_ERRORS = 20
# Beyond these a body of some megabytes, all punctuation, would hold the server up for seconds.
MAX_CONTAINERS = 50_000
MAX_MEMBERS = 100_000
MANY_ERRORS = 2_000
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
# Escapes that JSON allows and neither UTF-8 nor Postgres can hold: U+0000 and surrogates, which may be lone.
_SUSPICIOUS = re.compile(r"\\u(0000|[dD][89a-fA-F])")


def body_of(model: Any) -> Callable[[Request], Awaitable[JsonObject]]:
    """A FastAPI dependency: the JSON object of the request as it came, once it is a valid `model` (type or union)."""
    adapter: TypeAdapter[Any] = TypeAdapter(model)

    async def read(request: Request) -> JsonObject:
        return await read_json(request, adapter)

    return read


async def read_json(request: Request, adapter: TypeAdapter[Any]) -> JsonObject:
    """Body of a request. Raises unsupported_media_type, payload_too_large, malformed_json, invalid_encoding,
    invalid_request."""
    _check_media_type(request)
    raw = await request.body()
    value: JsonObject = parse(raw)
    validate(adapter, raw, value)
    return value


def validate(adapter: TypeAdapter[Any], raw: bytes, value: Any) -> None:
    """Raises invalid_request naming every place where the value breaks the model; it is never echoed."""
    try:
        adapter.validate_json(raw, strict=True)
    except ValidationError as error:
        if error.error_count() > MANY_ERRORS:
            raise invalid([{"path": "", "message": f"{error.error_count()} places break the contract"}]) from None
        found = error.errors(include_url=False, include_context=False, include_input=False)
        if any(one["type"] == "json_invalid" for one in found):
            raise make("malformed_json", "the body is nested too deeply") from None
        raise invalid(
            [{"path": pointer_into(one["loc"], value), "message": _short(one["msg"])} for one in found]
        ) from None


def invalid(errors: list[dict[str, str]], what: str = "") -> ContractError:
    """invalid_request for a list of {path, message}."""
    count = f"{len(errors)} error{'s' * (len(errors) != 1)}{what}"
    shown = "; ".join(f"{one['path'] or 'body'}: {one['message']}" for one in errors[:3])
    return make("invalid_request", f"{count}: {shown}", errors=errors[:MAX_ERRORS])


def parse(raw: bytes) -> Any:
    """Strict JSON: UTF-8, no duplicate keys, no NaN, no Infinity, nothing in strings that cannot be stored."""
    text = _decode(raw)
    _check_size(raw)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise make("malformed_json", f"the body is not JSON: {error.msg.lower()} at {where}") from None
    except RecursionError:
        raise make("malformed_json", "the body is nested too deeply") from None
    except ValueError as error:  # ours, and Python's for an integer of thousands of digits
        raise make("malformed_json", f"the body is not strict JSON: {_short(str(error))}") from None
    if _SUSPICIOUS.search(text):
        _check_strings(value)
    return value


def _check_size(raw: bytes) -> None:
    """Raises invalid_request when there are too many objects, lists or members, before any of them is made."""
    if _containers(raw) <= MAX_CONTAINERS and raw.count(b":") <= MAX_MEMBERS:
        return
    bare = _STRING.sub(b"", raw)  # what stands in strings does not count
    for count, most, what in (
        (_containers(bare), MAX_CONTAINERS, "objects and lists"),
        (bare.count(b":"), MAX_MEMBERS, "members of objects"),
    ):
        if count > most:
            raise invalid([{"path": "", "message": f"{count} {what} in one body, at most {most} are read"}])


def _containers(raw: bytes) -> int:
    return raw.count(b"[") + raw.count(b"{")


def _check_media_type(request: Request) -> None:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = re.search(r"charset=\"?([^\";\s]+)", parameters, re.IGNORECASE)
    if media_type.strip().lower() != "application/json" or (charset and charset.group(1).lower() != "utf-8"):
        shown = _short(request.headers.get("content-type", "")) or "a body without Content-Type"
        raise make("unsupported_media_type", f"{shown} is not read here", hint="send application/json")
    coding = request.headers.get("content-encoding", "identity")
    if coding.lower() != "identity":
        raise make("unsupported_media_type", f"content coding {_short(coding)} is not read here", hint="send it plain")


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = f"the body is not UTF-8: invalid byte at offset {error.start}"
        raise make("invalid_encoding", detail, offset=error.start) from None


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        double = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {double!r} comes twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text} is out of range")
    return number


def _check_strings(value: Any) -> None:
    errors = [{"path": path, "message": reason} for path, reason in _unstorable(value, "")]
    if errors:
        raise invalid(errors)


def _unstorable(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if "\0" in value:
            yield path, "text must not hold U+0000 (\\u0000)"
        elif any("\ud800" <= character <= "\udfff" for character in value):
            yield path, "text must not hold a lone surrogate"
    elif isinstance(value, dict):
        for name, member in value.items():
            # A key that cannot be stored cannot be shown either: its object is named.
            yield from _unstorable(name, path)
            yield from _unstorable(member, f"{path}/{_token(name)}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unstorable(member, f"{path}/{index}")


def pointer_into(loc: tuple[int | str, ...], value: Any) -> str:
    """JSON Pointer of a pydantic location, without the names of union members that it puts in. value: the body."""
    path = ""
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(value, dict) and (part in value or last):
            path, value = f"{path}/{_token(str(part))}", value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            path, value = f"{path}/{part}", value[part]
    return path


def _token(name: str) -> str:
    safe = name.encode("utf-8", "replace").decode().replace("\0", "?")
    return _short(safe.replace("~", "~0").replace("/", "~1"))


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:197]}..."
