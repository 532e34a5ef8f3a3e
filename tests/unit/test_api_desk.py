"""The desk measures what a submission asks of the database: also what the template's defaults add."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from control_room.api.desk import Desk
from control_room.api.models import SubmitRun
from control_room.api.submitter import Checked
from ops_schema.store import Principal

CALLER = Principal(UUID(int=1), "operator", "olga", None)
DEFAULT = "x" * 50_000


class Templates:
    """A store of one template with a large default."""

    async def get_template(self, _: Principal, name: str, *__: Any) -> dict[str, Any]:
        rules = {"text": {"type": "string", "default": DEFAULT}, "n": {"type": "integer"}}
        spec = {"params_schema": {"properties": rules}}
        return {"name": name, "version": 1, "workspace": "default", "kind": "python", "spec": spec}


@pytest.mark.parametrize("more", [{}, {"idempotency_key": "k"}], ids=["pinned", "with a key"])
async def test_the_size_of_a_submission_counts_its_defaults(more: dict[str, Any]) -> None:
    desk = Desk(Templates(), CALLER)  # type: ignore[arg-type]
    small, own = {"params": {"n": 1}}, {"params": {"n": 1, "text": ""}}
    found = await desk.check_each([{"template": "fat"} | more | params for params in (small, own)])
    single = await desk.check(SubmitRun.model_validate({"template": "fat"} | more | small))
    assert all(isinstance(one, Checked) for one in found)
    sizes = [one.size for one in (*found, single) if isinstance(one, Checked)]
    assert [size // 1000 for size in sizes] == [50, 0, 50]
    assert single.body["params"]["n"] == 1
