"""Retries: by the newest version of a template only when that takes the run's parameters."""

from __future__ import annotations

from typing import Any

from control_room.api.desk import Desk
from control_room.api.intake import ROUNDS
from ops_schema.errors import OpsError
from ops_schema.store import Principal, Store

Json = dict[str, Any]
NOT_CHECKED = "OPC12"


async def retry(store: Store, caller: Principal, ref: str, wanted: Json) -> Json:
    """The Run. What is on record is found whatever the template became, so the database is asked first: it says by
    which version the parameters have to be checked. Raises params_invalid, and what the store refuses."""
    for _ in range(ROUNDS - 1):
        try:
            return await store.retry_run(caller, ref, wanted)
        except OpsError as refusal:
            if refusal.sqlstate != NOT_CHECKED:
                raise
            version, keep = refusal.members["version"], refusal.members["keep"]
        run = await store.get_run(caller, ref)
        wanted = wanted | {"checked": await Desk(store, caller).check_again(run, version, keep)}
    return await store.retry_run(caller, ref, wanted)
