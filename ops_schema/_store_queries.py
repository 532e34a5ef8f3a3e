"""Every statement that the store sends, by name: one call of one ops function each, in its parameter order."""

from __future__ import annotations

from typing import Final

QUERIES: Final[dict[str, str]] = {
    # who calls
    "authenticate": "select ops.authenticate(%s)",
    "session_principal": "select ops.session_principal(%s)",
    "create_login_code": "select ops.create_login_code(%s, %s)",
    "redeem_login_code": "select ops.redeem_login_code(%s, %s)",
    "end_session": "select ops.end_session(%s)",
    "create_token": "select ops.create_token(%s, %s, %s)",
    "revoke_token": "select ops.revoke_token(%s, %s)",
    # executor plane
    "register_executor": "select ops.register_executor(%s, %s)",
    "leave_executor": "select ops.leave_executor(%s, %s)",
    "heartbeat": "select ops.heartbeat(%s, %s, %s)",
    "append_logs": "select ops.append_logs(%s, %s, %s)",
    "begin_artifact": "select ops.begin_artifact(%s, %s, %s)",
    "record_artifact": "select ops.record_artifact(%s, %s, %s, %s)",
    "artifacts_each": "select ordinal, code, detail from ops.artifacts_each(%s, %s, %s)",
    "announced_artifacts": "select ops.announced_artifacts(%s, %s, %s)",
    "open_upload": "select ops.open_upload(%s, %s, %s, %s)",
    "declare_parts": "select ops.declare_parts(%s, %s, %s, %s)",
    "close_upload": "select ops.close_upload(%s)",
    "refuse_object": "select ops.refuse_object(%s)",
    "get_artifact": "select ops.get_artifact(%s, %s)",
    "find_earlier": "select ops.find_earlier(%s, %s, %s)",
    "get_bundle": "select ops.get_bundle(%s, %s)",
    "exchange_each": "select ordinal, code, detail from ops.exchange_each(%s, %s, %s, %s)",
    "warm_up": "select ops.warm_up()",
    "tell_ready": "select ops.tell_ready(%s, %s)",
    "claim_profile": "select ops.claim_profile(%s, %s)",
    "commit_publication": "select ops.commit_publication(%s, %s, %s, %s)",
    # operator plane
    "submit_run": "select ops.submit_run(%s, %s)",
    "submit_each": "select ordinal, code, detail from ops.submit_each(%s, %s, %s)",
    "get_run": "select ops.get_run(%s, %s)",
    "list_runs": "select ops.list_runs(%s, %s)",
    "cancel_run": "select ops.cancel_run(%s, %s, %s)",
    "retry_run": "select ops.retry_run(%s, %s, %s)",
    "reproduce_run": "select ops.reproduce_run(%s, %s, %s)",
    "why_run": "select ops.why_run(%s, %s)",
    # operator plane: steering
    "pause_run": "select ops.pause_run(%s, %s, %s)",
    "resume_run": "select ops.resume_run(%s, %s, %s)",
    "reschedule_run": "select ops.reschedule_run(%s, %s, %s)",
    "requeue_run": "select ops.requeue_run(%s, %s, %s)",
    "list_queues": "select ops.list_queues(%s)",
    "pause_queue": "select ops.pause_queue(%s, %s, %s)",
    "resume_queue": "select ops.resume_queue(%s, %s)",
    "pause_executor": "select ops.pause_executor(%s, %s, %s)",
    "resume_executor": "select ops.resume_executor(%s, %s, %s)",
    "drain_executor": "select ops.drain_executor(%s, %s, %s)",
    "list_dead_letters": "select ops.list_dead_letters(%s, %s)",
    "replay_each": "select ordinal, code, detail from ops.replay_each(%s, %s)",
    # operator plane: reading
    "run_events": "select ops.run_events(%s, %s, %s)",
    "run_logs": "select ops.run_logs(%s, %s, %s)",
    "run_artifacts": "select ops.run_artifacts(%s, %s)",
    "get_preview": "select ops.get_preview(%s, %s)",
    "put_template": "select ops.put_template(%s, %s, %s)",
    "list_templates": "select ops.list_templates(%s)",
    "get_template": "select ops.get_template(%s, %s, %s, %s)",
    "put_bundle": "select ops.put_bundle(%s, %s)",
    "list_executors": "select ops.list_executors(%s)",
    "list_caps": "select ops.list_caps(%s)",
    "list_workspaces": "select ops.list_workspaces(%s)",
    "put_setting": "select ops.put_setting(%s, %s)",
    "put_workspace": "select ops.put_workspace(%s, %s)",
    "put_cap": "select ops.put_cap(%s, %s)",
    "hold_run": "select ops.hold_run(%s, %s, %s)",
    "release_run": "select ops.release_run(%s, %s)",
    "list_collection": "select ops.list_collection(%s)",
    "run_lineage": "select ops.run_lineage(%s, %s)",
    "data_runs": "select ops.data_runs(%s, %s)",
    "explain_caps": "select ops.explain_caps(%s, %s)",
    "list_budgets": "select ops.list_budgets(%s)",
    "put_budget": "select ops.put_budget(%s, %s)",
    "check_budgets": "select ops.check_budgets(%s)",
    "list_prices": "select ops.list_prices(%s)",
    "put_prices": "select ops.put_prices(%s, %s)",
    "info": "select ops.info()",
    "get_manifest": "select ops.get_manifest(%s, %s)",
    "run_chain": "select ops.run_chain(%s, %s, %s)",
    "list_signing_keys": "select ops.list_signing_keys(%s)",
    # reactor
    "expire_leases": "select ops.expire_leases(%s)",
    "promote_due": "select ops.promote_due(%s)",
    "pending_publications": "select ops.pending_publications(%s, %s)",
    "commit_publication_as_reactor": "select ops.commit_publication_as_reactor(%s, %s, %s)",
    "ensure_partitions": "select ops.ensure_partitions()",
    "drop_partitions": "select ops.drop_partitions()",
    "lead": "select ops.lead(%s, %s, %s)",
    "events_since": "select ops.events_since(%s, %s)",
    "expire_artifacts": "select ops.expire_artifacts(%s)",
    "condemn_objects": "select ops.condemn_objects(%s)",
    "take_condemned": "select ops.take_condemned()",
    "removed_object": "select ops.removed_object(%s, %s)",
    "stale_uploads": "select ops.stale_uploads(%s)",
    "unknown_uploads": "select ops.unknown_uploads(%s)",
    "lineage_facts": "select ops.lineage_facts(%s)",
    "record_lineage": "select ops.record_lineage(%s)",
    "pending_lineage": "select ops.pending_lineage(%s)",
    "settle_lineage": "select ops.settle_lineage(%s, %s)",
    "without_manifest": "select ops.without_manifest(%s, %s)",
    "manifest_parts": "select ops.manifest_parts(%s)",
    "put_manifest": "select ops.put_manifest(%s, %s)",
    "put_signing_key": "select ops.put_signing_key(%s)",
}
"""name -> statement. Each answers one row of one column (jsonb, a boolean, or null); an `_each`, a row a member."""

CHANNELS: Final[tuple[str, ...]] = ("ops_ready", "ops_orders")
"""NOTIFY channels: work became claimable (payload "kind:count,…", with ";who" of a server that tells it). Events are
looked for, never notified."""

EVENT_WRITERS: Final[frozenset[str]] = frozenset(
    {
        "submit_run",
        "submit_each",
        "cancel_run",
        "retry_run",
        "reproduce_run",
        "pause_run",
        "resume_run",
        "reschedule_run",
        "requeue_run",
        "replay_each",
        "leave_executor",
        "record_artifact",
        "artifacts_each",
        "exchange_each",
        "commit_publication",
        "commit_publication_as_reactor",
        "expire_leases",
        "promote_due",
    }
)
"""The statements that may write events."""

READY_MAKERS: Final[frozenset[str]] = frozenset(
    {
        "submit_run",
        "cancel_run",
        "retry_run",
        "reproduce_run",
        "resume_run",
        "reschedule_run",
        "requeue_run",
        "replay_each",
        "leave_executor",
        "commit_publication",
        "commit_publication_as_reactor",
        "expire_leases",
        "promote_due",
    }
)
"""The statements that notify what they made claimable."""


def _keeping(name: str) -> str:
    # Inside a subquery that cannot be flattened, so that its answer is there before what was kept is asked for; and a
    # function in FROM has its row before the verb in the SELECT list is called.
    call = QUERIES[name].replace("ordinal, code, detail from ", "").removeprefix("select ")
    columns = "(v.value).ordinal, (v.value).code, (v.value).detail" if name.endswith("_each") else "v.value"
    return f"select {columns}, ops.kept_ready() from (select {call} as value from ops.keep_ready() offset 0) v"  # noqa: S608 - constants


KEEPING: Final[dict[str, str]] = {name: _keeping(name) for name in READY_MAKERS}
"""name -> statement that notifies nothing, and answers what became claimable in one more column: "kind:count,…", or
null."""
