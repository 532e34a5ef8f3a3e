"""Whether a run's events are the gapless chain that they were, and pass through the place that the manifest names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from control_room.provenance.findings import Finding, Told

Json = dict[str, Any]
START = "0" * 64


@dataclass(frozen=True)
class Chain:
    """head: {seq, hash} as it stands on the run; cut: {seq, hash, dropped_at} or None; events: as stored, in order."""

    head: Mapping[str, Any]
    cut: Mapping[str, Any] | None
    events: Iterable[Mapping[str, Any]]


def check_events(run: str, run_id: str, chain: Chain, named: Mapping[str, Any] | None) -> Iterator[Finding]:
    """named: {length, head} of the manifest; None when there is no manifest to compare with."""
    told, cut = Told(run, "events"), chain.cut
    seq, before = (int(cut["seq"]), str(cut["hash"])) if cut else (0, START)
    passed = named is None or (seq, before) == (named["length"], named["head"])
    gone = seq
    for event in chain.events:
        wrong = _wrong(event, run_id, seq, before)
        if wrong:
            yield told.bad(f"event {event['seq']}", wrong)
            return
        seq, before = event["seq"], event["hash"]
        passed = passed or (named is not None and (seq, before) == (named["length"], named["head"]))
    yield from _ending(told, chain, seq, before)
    if not passed and named is not None:
        yield told.bad(f"event {named['length']}", _not_passed(named, seq, gone))
    if cut and gone:
        text = (
            f"the first {gone} events were dropped with their month at {cut['dropped_at']}; they cannot be recomputed"
        )
        yield told.unknown(f"events 1 to {gone}", text)


def _wrong(event: Mapping[str, Any], run_id: str, seq: int, before: str) -> str | None:
    """What is wrong with an event that follows `seq`, of which the hash is `before`."""
    if event["seq"] <= seq:
        return f"it comes after event {seq}: events were put in another order, or stand there twice"
    if event["seq"] != seq + 1:
        return f"it follows event {seq}: {event['seq'] - seq - 1} between them are gone"
    if event["prev_hash"] != before:
        return (
            f"its prev_hash {event['prev_hash']} is not the hash before it, {before}: an event was put in, or changed"
        )
    found = hashlib.sha256(bytes.fromhex(before) + event["canonical"].encode()).hexdigest()
    if found != event["hash"]:
        return f"its text has the hash {found}, on record is {event['hash']}: the text or the hash was changed"
    return _columns(event, run_id)


def _columns(event: Mapping[str, Any], run_id: str) -> str | None:
    try:
        told = json.loads(event["canonical"])
    except ValueError:
        return "its text is no JSON"
    columns = {"run_id": run_id, **{name: event[name] for name in ("seq", "at", "type", "epoch")}}
    for name, value in columns.items():
        if told.get(name) != value:
            return f"its column {name} is {value!r}, the hashed text says {told.get(name)!r}: the column was changed"
    return None


def _ending(told: Told, chain: Chain, seq: int, before: str) -> Iterator[Finding]:
    head = chain.head
    if (seq, before) == (head["seq"], head["hash"]):
        yield told.good("head", f"{seq} events make the head {before}")
    elif seq < head["seq"]:
        yield told.bad(
            f"event {seq + 1}", f"the chain ends at event {seq}, the run says {head['seq']}: the last are gone"
        )
    else:
        text = f"the chain ends at event {seq} with {before}, the run says {head['seq']} with {head['hash']}"
        yield told.bad("head", f"{text}: an event or the run's row was changed")


def _not_passed(named: Mapping[str, Any], seq: int, gone: int) -> str:
    if named["length"] < gone:
        return f"the manifest names it with the hash {named['head']}; it was dropped with its month"
    if named["length"] > seq:
        return f"the manifest counts {named['length']} events, on record are {seq}: events are gone, the head with them"
    return f"it is not the one with the hash {named['head']} that the manifest names: the whole chain was written anew"
