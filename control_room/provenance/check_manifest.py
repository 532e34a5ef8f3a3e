"""Whether a manifest is what was recorded, what was signed, and what is on record now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeGuard

from contract.canonical import canonical_json, digest_bytes
from control_room.provenance import dsse
from control_room.provenance.differences import differences, shown
from control_room.provenance.findings import Finding, Told
from control_room.provenance.merkle import root_of
from control_room.provenance.statement import statement

Json = dict[str, Any]
MOST_DIFFERENCES = 20
# The reactor makes a manifest within seconds, after an outage a little later.
LATE = timedelta(hours=1)
# What a manifest must have for the checks, which its schema says in full.
OBJECTS = {"run": (), "code": ("bundle",), "outcome": ("finished_at",), "events": ("length", "head")}
LISTS = {
    "inputs": (),
    "tasks": ("run_id", "task_key", "manifest_root"),
    "artifacts": ("artifact_id", "epoch", "name", "sha256", "size", "table"),
    "publications": ("output", "format", "mode", "uri", "state", "table_version", "app_id", "files"),
}
FILE = ("path", "size", "sha256")
# It grows after the end: a late report is an event. The chain's own check compares it.
GROWS = "events"


def read(text: str) -> Json | None:
    """The manifest that a text is; None when it is none that can be looked into."""
    try:
        found = json.loads(text)
        return found if isinstance(found, dict) and _is_shaped(found) and canonical_json(found) else None
    except (ValueError, RecursionError):
        return None


def _is_shaped(found: Json) -> bool:
    """Whether all is there that is looked into, by its names."""
    publications = found.get("publications")
    files = [each.get("files") for each in publications if isinstance(each, dict)] if _is_list(publications) else []
    objects = all(_has(found.get(name), members) for name, members in OBJECTS.items())
    lists = [(found.get(name), members) for name, members in LISTS.items()] + [(each, FILE) for each in files]
    return objects and all(_is_list(each) and all(_has(item, names) for item in each) for each, names in lists)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _has(value: Any, members: tuple[str, ...]) -> bool:
    return isinstance(value, dict) and value.keys() >= set(members)


def check_manifest(run: str, record: Mapping[str, Any]) -> Iterator[Finding]:
    """record: as the API gives it ({manifest, manifest_root, on_record}); on_record None: nothing to compare with."""
    told, kept = Told(run, "manifest"), record["manifest"]
    yield from _digests(told, kept, record["manifest_root"])
    manifest = read(kept["text"])
    if manifest is None:
        yield told.bad("text", "the text is no manifest: it cannot be read as the JSON object that a manifest is")
        return
    if canonical_json(manifest) != kept["text"].encode():
        yield told.bad("text", "the text is not canonical JSON (RFC 8785): somebody wrote it anew")
    yield from _root(told, manifest, kept["root"])
    yield from _in_time(told, manifest, kept["made_at"])
    if record["on_record"] is not None:
        yield from _on_record(told, manifest, record["on_record"])


def _digests(told: Told, kept: Mapping[str, Any], on_run: str | None) -> Iterator[Finding]:
    found = digest_bytes(kept["text"].encode())
    if found == kept["sha256"]:
        yield told.good("sha256", f"the text has sha256 {found}")
    else:
        yield told.bad("sha256", f"the text has sha256 {found}, on record is {kept['sha256']}: the text was changed")
    if on_run != kept["root"]:
        yield told.bad("root", f"the run holds the root {on_run}, its manifest {kept['root']}: one of them was changed")


def _root(told: Told, manifest: Json, kept: str) -> Iterator[Finding]:
    found = root_of(manifest)
    if found == kept:
        yield told.good("root", f"the parts make the root {found}")
    else:
        yield told.bad("root", f"the parts make the root {found}, on record is {kept}: a part or the root was changed")


def _in_time(told: Told, manifest: Json, made_at: str) -> Iterator[Finding]:
    """A manifest proves what was on record when it was made: who removes one has another made, of what he likes."""
    late = _time(made_at) - _time(str(manifest["outcome"].get("finished_at")))
    if late > LATE:
        text = f"it was made {late} after the run had ended: it proves what was on record then, not what was before"
        yield told.unknown("made_at", text)


def _on_record(told: Told, manifest: Json, now: Json) -> Iterator[Finding]:
    one, other = ({name: part for name, part in each.items() if name != GROWS} for each in (manifest, now))
    found = list(islice(differences(one, other), MOST_DIFFERENCES + 1))
    for where, made, recorded in found[:MOST_DIFFERENCES]:
        yield told.bad(where, f"the manifest says {shown(made)}, on record is {shown(recorded)}: the row was changed")
    if len(found) > MOST_DIFFERENCES:
        yield told.bad("", f"and there are more than {MOST_DIFFERENCES} differences")
    if not found:
        yield told.good("on record", "each part is what is on record")


def check_signature(
    run: str, kept: Mapping[str, Any], known: Sequence[Mapping[str, Any]], trusted: Sequence[str] = ()
) -> Iterator[Finding]:
    """known: the public keys as the API gives them; trusted: key ids of which one must have signed, any when empty."""
    told, made_at = Told(run, "signature"), _time(kept["made_at"])
    if kept["envelope"] is None:
        yield _unsigned(told, made_at, known, trusted)
        return
    key = next((each for each in known if each["key_id"] == kept["key_id"]), None)
    if key is None:
        yield told.bad("key", f"the key {kept['key_id']} is not among the known public keys")
    elif trusted and key["key_id"] not in trusted:
        yield told.bad("key", f"the key {key['key_id']} is none of those that you trust")
    else:
        yield from _signed(told, kept, key, made_at)


def _unsigned(told: Told, made_at: datetime, known: Sequence[Mapping[str, Any]], trusted: Sequence[str]) -> Finding:
    force = [key for key in known if _time(key["valid_from"]) <= made_at and not _retired(key, made_at)]
    if force:
        return told.bad(
            "envelope", f"nobody signed it, though the key {force[0]['key_id']} was in force: it was removed"
        )
    if trusted:
        return told.bad("envelope", "nobody signed it; it was made where no key was configured")
    return told.unknown("envelope", "nobody signed it; it was made where no key was configured (OPS_SIGNING_KEY_FILE)")


def _signed(told: Told, kept: Mapping[str, Any], key: Mapping[str, Any], made_at: datetime) -> Iterator[Finding]:
    try:
        good = dsse.is_signed_by(kept["envelope"], bytes.fromhex(key["public_key"]))
        payload = dsse.payload_of(kept["envelope"])
    except dsse.EnvelopeError as error:
        yield told.bad("envelope", f"the envelope cannot be read: {error}")
        return
    if not good:
        yield told.bad("signature", f"the signature is not that of the key {key['key_id']} over this statement")
        return
    yield told.good("signature", f"the key {key['key_id']} signed the statement")
    yield _statement(told, kept, payload)
    yield from _in_force(told, key, made_at)


def _statement(told: Told, kept: Mapping[str, Any], payload: bytes) -> Finding:
    manifest = read(kept["text"])
    if manifest is None:
        return told.bad("statement", "what was signed cannot be compared with a text that is no manifest")
    try:
        wanted = statement(manifest, digest_bytes(kept["text"].encode()), root_of(manifest), kept["made_at"])
    except (KeyError, TypeError) as error:
        return told.bad("statement", f"what was signed cannot be compared: the manifest lacks {error}")
    if canonical_json(wanted) == payload:
        return told.good("statement", "what was signed is this manifest")
    try:
        found = next(differences(json.loads(payload), json.loads(canonical_json(wanted))), ("", None, None))
    except ValueError:
        return told.bad("statement", "what was signed is no JSON")
    where, signed, made = found
    return told.bad(f"statement{where}", f"signed was {shown(signed)}, the manifest makes it {shown(made)}")


def _in_force(told: Told, key: Mapping[str, Any], made_at: datetime) -> Iterator[Finding]:
    if made_at < _time(key["valid_from"]):
        text = f"it says to be made at {made_at.isoformat()}, before the key was in force ({key['valid_from']})"
        yield told.bad("made_at", text)
    elif _retired(key, made_at):
        text = f"it says to be made at {made_at.isoformat()}, when the key was retired ({key['retired_at']})"
        yield told.bad("made_at", text)


def _retired(key: Mapping[str, Any], at: datetime) -> bool:
    return key["retired_at"] is not None and _time(key["retired_at"]) <= at


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
