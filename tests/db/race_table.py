"""Where a run stands when two verbs have met on it, by situation, for each order in which they can come.

A line: the first verb; `waits` or `passes`, what the second does while the first is under way; the end, as
state[:reason]/epoch (`!`: a cancellation was asked for; more in Scene.state); the second verbs of which this is so.
Beside it stand race_table_steering.py and race_table_held.py.
"""

from __future__ import annotations

TABLE: dict[str, str] = {
    "queued": """
        cancel | waits | cancelled/0 | cancel force_cancel retry
        cancel | passes | cancelled/0 | claim claim_each expire_leases promote_due
        force_cancel | waits | cancelled/0 | cancel force_cancel retry
        force_cancel | passes | cancelled/0 | claim claim_each expire_leases promote_due
        claim | waits | running/1! | cancel
        claim | waits | cancelled/2 | force_cancel
        claim | passes | running/1 | claim claim_each expire_leases promote_due
        claim | waits | running/1 | retry
        claim_each | waits | running/1! | cancel
        claim_each | waits | cancelled/2 | force_cancel
        claim_each | passes | running/1 | claim claim_each expire_leases promote_due
        claim_each | waits | running/1 | retry
        retry | passes | cancelled/0 | cancel force_cancel
        retry | passes | running/1 | claim claim_each
        retry | passes | queued/0 | retry expire_leases promote_due
        expire_leases | passes | cancelled/0 | cancel force_cancel
        expire_leases | passes | running/1 | claim claim_each
        expire_leases | passes | queued/0 | retry promote_due
        expire_leases | waits | queued/0 | expire_leases
        promote_due | passes | cancelled/0 | cancel force_cancel
        promote_due | passes | running/1 | claim claim_each
        promote_due | passes | queued/0 | retry expire_leases promote_due
    """,
    "late": """
        cancel | waits | cancelled/0 | cancel force_cancel
        cancel | passes | cancelled/0 | claim claim_each promote_due expire_leases
        force_cancel | waits | cancelled/0 | cancel force_cancel
        force_cancel | passes | cancelled/0 | claim claim_each promote_due expire_leases
        claim | passes | cancelled/0 | cancel force_cancel
        claim | passes | queued/0 | claim claim_each expire_leases
        claim | passes | failed/0 | promote_due
        claim_each | passes | cancelled/0 | cancel force_cancel
        claim_each | passes | queued/0 | claim claim_each expire_leases
        claim_each | passes | failed/0 | promote_due
        promote_due | waits | failed/0 | cancel force_cancel
        promote_due | passes | failed/0 | claim claim_each promote_due expire_leases
        expire_leases | passes | cancelled/0 | cancel force_cancel
        expire_leases | passes | queued/0 | claim claim_each
        expire_leases | passes | failed/0 | promote_due
        expire_leases | waits | queued/0 | expire_leases
    """,
    "due": """
        cancel | waits | cancelled/0 | cancel force_cancel
        cancel | passes | cancelled/0 | claim claim_each promote_due expire_leases
        force_cancel | waits | cancelled/0 | cancel force_cancel
        force_cancel | passes | cancelled/0 | claim claim_each promote_due expire_leases
        claim | waits | running/1! | cancel
        claim | waits | cancelled/2 | force_cancel
        claim | passes | running/1 | claim claim_each promote_due expire_leases
        claim_each | waits | running/1! | cancel
        claim_each | waits | cancelled/2 | force_cancel
        claim_each | passes | running/1 | claim claim_each promote_due expire_leases
        promote_due | waits | cancelled/0 | cancel force_cancel
        promote_due | passes | queued/0 | claim claim_each promote_due expire_leases
        expire_leases | passes | cancelled/0 | cancel force_cancel
        expire_leases | passes | running/1 | claim claim_each
        expire_leases | passes | queued/0 | promote_due
        expire_leases | waits | waiting:not_before/0 | expire_leases
    """,
    "unsafe": """
        cancel | waits | cancelled/1 | cancel force_cancel retry report_attempt report_each
        cancel | passes | cancelled/1 | claim expire_leases promote_due heartbeat
        force_cancel | waits | cancelled/1 | cancel force_cancel retry report_attempt report_each
        force_cancel | passes | cancelled/1 | claim expire_leases promote_due heartbeat
        retry | waits | cancelled/1 | cancel force_cancel
        retry | waits | queued/1 | retry report_attempt report_each
        retry | passes | queued/1 | claim expire_leases promote_due heartbeat
        claim | passes | cancelled/1 | cancel force_cancel
        claim | passes | queued/1 | retry
        claim | passes | waiting:rerun_unsafe/1 | claim expire_leases promote_due report_attempt report_each
        claim | passes | waiting:rerun_unsafe/1 | heartbeat
        expire_leases | passes | cancelled/1 | cancel force_cancel
        expire_leases | passes | queued/1 | retry
        expire_leases | passes | waiting:rerun_unsafe/1 | claim promote_due report_attempt report_each heartbeat
        expire_leases | waits | waiting:rerun_unsafe/1 | expire_leases
        promote_due | passes | cancelled/1 | cancel force_cancel
        promote_due | passes | queued/1 | retry
        promote_due | passes | waiting:rerun_unsafe/1 | claim expire_leases promote_due report_attempt report_each
        promote_due | passes | waiting:rerun_unsafe/1 | heartbeat
        report_attempt | waits | cancelled/1 | cancel force_cancel
        report_attempt | waits | queued/1 | retry
        report_attempt | passes | waiting:rerun_unsafe/1 | claim expire_leases promote_due heartbeat
        report_attempt | waits | waiting:rerun_unsafe/1 | report_attempt report_each
        report_each | waits | cancelled/1 | cancel force_cancel
        report_each | waits | queued/1 | retry
        report_each | passes | waiting:rerun_unsafe/1 | claim expire_leases promote_due heartbeat
        report_each | waits | waiting:rerun_unsafe/1 | report_attempt report_each
        heartbeat | passes | cancelled/1 | cancel force_cancel
        heartbeat | passes | queued/1 | retry
        heartbeat | passes | waiting:rerun_unsafe/1 | claim expire_leases promote_due report_attempt report_each
        heartbeat | waits | waiting:rerun_unsafe/1 | heartbeat
    """,
    "lapsed": """
        claim | passes | running/1 | claim claim_each claim_again heartbeat append_logs promote_due record_artifact
        claim | passes | running/1 | begin_artifact commit commit_as_reactor retry
        claim | passes | succeeded/1 | report_attempt report_each
        claim | passes | queued/1 | report_failed
        claim | passes | running/1! | cancel
        claim | passes | cancelled/2 | force_cancel
        claim | passes | queued/2 | expire_leases
        claim_each | passes | running/1 | claim claim_each claim_again heartbeat append_logs promote_due
        claim_each | passes | running/1 | record_artifact begin_artifact commit commit_as_reactor retry
        claim_each | passes | succeeded/1 | report_attempt report_each
        claim_each | passes | queued/1 | report_failed
        claim_each | passes | running/1! | cancel
        claim_each | passes | cancelled/2 | force_cancel
        claim_each | passes | queued/2 | expire_leases
        claim_again | passes | running/1 | claim claim_each append_logs promote_due record_artifact
        claim_again | waits | running/1 | heartbeat
        claim_again | passes | running/1 | begin_artifact commit commit_as_reactor retry
        claim_again | waits | running/1 | claim_again
        claim_again | passes | succeeded/1 | report_attempt report_each
        claim_again | passes | queued/1 | report_failed
        claim_again | passes | running/1! | cancel
        claim_again | passes | cancelled/2 | force_cancel
        claim_again | passes | queued/2 | expire_leases
        heartbeat | passes | running/1 | claim claim_each claim_again append_logs promote_due record_artifact
        heartbeat | passes | running/1 | begin_artifact commit commit_as_reactor retry expire_leases
        heartbeat | waits | running/1 | heartbeat
        heartbeat | waits | succeeded/1 | report_attempt report_each
        heartbeat | waits | queued/1 | report_failed
        heartbeat | passes | running/1! | cancel
        heartbeat | waits | cancelled/2 | force_cancel
        append_logs | passes | running/1 | claim claim_each claim_again heartbeat promote_due expire_leases
        append_logs | waits | running/1 | append_logs record_artifact begin_artifact commit commit_as_reactor retry
        append_logs | waits | succeeded/1 | report_attempt report_each
        append_logs | waits | queued/1 | report_failed
        append_logs | waits | running/1! | cancel
        append_logs | waits | cancelled/2 | force_cancel
        promote_due | passes | running/1 | claim claim_each claim_again heartbeat append_logs promote_due
        promote_due | passes | running/1 | record_artifact begin_artifact commit commit_as_reactor retry
        promote_due | passes | succeeded/1 | report_attempt report_each
        promote_due | passes | queued/1 | report_failed
        promote_due | passes | running/1! | cancel
        promote_due | passes | cancelled/2 | force_cancel
        promote_due | passes | queued/2 | expire_leases
        record_artifact | passes | running/1 | claim claim_each claim_again heartbeat promote_due expire_leases
        record_artifact | waits | running/1 | append_logs record_artifact begin_artifact commit commit_as_reactor
        record_artifact | waits | running/1 | retry
        record_artifact | waits | succeeded/1 | report_attempt report_each
        record_artifact | waits | queued/1 | report_failed
        record_artifact | waits | running/1! | cancel
        record_artifact | waits | cancelled/2 | force_cancel
        begin_artifact | passes | running/1 | claim claim_each claim_again heartbeat promote_due expire_leases
        begin_artifact | waits | running/1 | append_logs record_artifact begin_artifact commit commit_as_reactor
        begin_artifact | waits | running/1 | retry
        begin_artifact | waits | succeeded/1 | report_attempt report_each
        begin_artifact | waits | queued/1 | report_failed
        begin_artifact | waits | running/1! | cancel
        begin_artifact | waits | cancelled/2 | force_cancel
        commit | passes | running/1 | claim claim_each claim_again heartbeat append_logs promote_due record_artifact
        commit | passes | running/1 | begin_artifact commit commit_as_reactor retry
        commit | passes | succeeded/1 | report_attempt report_each
        commit | passes | queued/1 | report_failed
        commit | passes | running/1! | cancel
        commit | passes | cancelled/2 | force_cancel
        commit | passes | queued/2 | expire_leases
        commit_as_reactor | passes | running/1 | claim claim_each claim_again heartbeat append_logs promote_due
        commit_as_reactor | passes | running/1 | record_artifact begin_artifact commit commit_as_reactor retry
        commit_as_reactor | passes | succeeded/1 | report_attempt report_each
        commit_as_reactor | passes | queued/1 | report_failed
        commit_as_reactor | passes | running/1! | cancel
        commit_as_reactor | passes | cancelled/2 | force_cancel
        commit_as_reactor | passes | queued/2 | expire_leases
        retry | passes | running/1 | claim claim_each claim_again heartbeat append_logs promote_due record_artifact
        retry | passes | running/1 | begin_artifact commit commit_as_reactor retry
        retry | passes | succeeded/1 | report_attempt report_each
        retry | passes | queued/1 | report_failed
        retry | passes | running/1! | cancel
        retry | passes | cancelled/2 | force_cancel
        retry | passes | queued/2 | expire_leases
        report_attempt | passes | succeeded/1 | claim claim_each claim_again promote_due expire_leases
        report_attempt | waits | succeeded/1 | heartbeat append_logs record_artifact begin_artifact commit
        report_attempt | waits | succeeded/1 | commit_as_reactor retry report_attempt report_each report_failed
        report_attempt | waits | succeeded/1 | cancel force_cancel
        report_each | passes | succeeded/1 | claim claim_each claim_again promote_due expire_leases
        report_each | waits | succeeded/1 | heartbeat append_logs record_artifact begin_artifact commit
        report_each | waits | succeeded/1 | commit_as_reactor retry report_attempt report_each report_failed cancel
        report_each | waits | succeeded/1 | force_cancel
        report_failed | passes | queued/1 | claim claim_each claim_again promote_due expire_leases
        report_failed | waits | queued/1 | heartbeat append_logs record_artifact begin_artifact commit
        report_failed | waits | queued/1 | commit_as_reactor retry report_attempt report_each report_failed
        report_failed | waits | cancelled/1 | cancel force_cancel
        cancel | passes | running/1! | claim claim_each claim_again heartbeat promote_due expire_leases
        cancel | waits | running/1! | append_logs record_artifact begin_artifact commit commit_as_reactor retry
        cancel | waits | running/1! | cancel
        cancel | waits | succeeded/1 | report_attempt report_each
        cancel | waits | cancelled/1 | report_failed
        cancel | waits | cancelled/2 | force_cancel
        force_cancel | passes | cancelled/2 | claim claim_each claim_again promote_due expire_leases
        force_cancel | waits | cancelled/2 | heartbeat append_logs record_artifact begin_artifact commit
        force_cancel | waits | cancelled/2 | commit_as_reactor retry report_attempt report_each report_failed cancel
        force_cancel | waits | cancelled/2 | force_cancel
        expire_leases | passes | queued/2 | claim claim_each claim_again promote_due
        expire_leases | waits | queued/2 | heartbeat append_logs record_artifact begin_artifact commit
        expire_leases | waits | queued/2 | commit_as_reactor retry report_attempt report_each report_failed
        expire_leases | waits | queued/2 | expire_leases
        expire_leases | waits | cancelled/2 | cancel force_cancel
    """,
    "overdue": """
        claim | passes | running/1 | claim claim_again heartbeat append_logs expire_leases
        claim | passes | succeeded/1 | report_attempt report_each
        claim | passes | queued/1 | report_failed
        claim | passes | running/1! | cancel promote_due
        claim | passes | cancelled/2 | force_cancel
        claim_again | passes | running/1 | claim append_logs expire_leases
        claim_again | waits | running/1 | heartbeat
        claim_again | waits | running/1 | claim_again
        claim_again | passes | succeeded/1 | report_attempt report_each
        claim_again | passes | queued/1 | report_failed
        claim_again | passes | running/1! | cancel promote_due
        claim_again | passes | cancelled/2 | force_cancel
        heartbeat | passes | running/1 | claim claim_again append_logs expire_leases
        heartbeat | waits | running/1 | heartbeat
        heartbeat | waits | succeeded/1 | report_attempt report_each
        heartbeat | waits | queued/1 | report_failed
        heartbeat | passes | running/1! | cancel promote_due
        heartbeat | waits | cancelled/2 | force_cancel
        append_logs | passes | running/1 | claim claim_again heartbeat expire_leases promote_due
        append_logs | waits | running/1 | append_logs
        append_logs | waits | succeeded/1 | report_attempt report_each
        append_logs | waits | queued/1 | report_failed
        append_logs | waits | running/1! | cancel
        append_logs | waits | cancelled/2 | force_cancel
        expire_leases | passes | running/1 | claim claim_again heartbeat append_logs
        expire_leases | waits | running/1 | expire_leases
        expire_leases | passes | succeeded/1 | report_attempt report_each
        expire_leases | passes | queued/1 | report_failed
        expire_leases | passes | running/1! | cancel promote_due
        expire_leases | passes | cancelled/2 | force_cancel
        report_attempt | passes | succeeded/1 | claim claim_again expire_leases promote_due
        report_attempt | waits | succeeded/1 | heartbeat append_logs report_attempt report_each report_failed cancel
        report_attempt | waits | succeeded/1 | force_cancel
        report_each | passes | succeeded/1 | claim claim_again expire_leases promote_due
        report_each | waits | succeeded/1 | heartbeat append_logs report_attempt report_each report_failed cancel
        report_each | waits | succeeded/1 | force_cancel
        report_failed | passes | queued/1 | claim claim_again expire_leases promote_due
        report_failed | waits | queued/1 | heartbeat append_logs report_attempt report_each report_failed
        report_failed | waits | cancelled/1 | cancel force_cancel
        cancel | passes | running/1! | claim claim_again heartbeat expire_leases promote_due
        cancel | waits | running/1! | append_logs cancel
        cancel | waits | succeeded/1 | report_attempt report_each
        cancel | waits | cancelled/1 | report_failed
        cancel | waits | cancelled/2 | force_cancel
        force_cancel | passes | cancelled/2 | claim claim_again expire_leases promote_due
        force_cancel | waits | cancelled/2 | heartbeat append_logs report_attempt report_each report_failed cancel
        force_cancel | waits | cancelled/2 | force_cancel
        promote_due | passes | running/1! | claim claim_again heartbeat expire_leases promote_due
        promote_due | waits | running/1! | append_logs cancel
        promote_due | waits | succeeded/1 | report_attempt report_each
        promote_due | waits | cancelled/1 | report_failed
        promote_due | waits | cancelled/2 | force_cancel
    """,
    "publishing": """
        commit | passes | succeeded/1 | claim claim_again expire_leases promote_due
        commit | waits | succeeded/1 | heartbeat append_logs retry report_attempt report_each report_failed cancel
        commit | waits | succeeded/1 | force_cancel begin_artifact commit commit_as_reactor commit_failed
        commit_as_reactor | passes | succeeded/1 | claim claim_again expire_leases promote_due
        commit_as_reactor | waits | succeeded/1 | heartbeat append_logs retry report_attempt report_each
        commit_as_reactor | waits | succeeded/1 | report_failed cancel force_cancel begin_artifact commit
        commit_as_reactor | waits | succeeded/1 | commit_as_reactor commit_failed
        commit_failed | passes | failed/1 | claim claim_again expire_leases promote_due
        commit_failed | waits | failed/1 | heartbeat append_logs retry report_attempt report_each report_failed
        commit_failed | waits | failed/1 | cancel force_cancel begin_artifact commit commit_as_reactor commit_failed
        claim | passes | running:publishing/1 | claim claim_again heartbeat append_logs expire_leases promote_due
        claim | passes | running:publishing/1 | retry report_attempt report_each report_failed cancel force_cancel
        claim | passes | running:publishing/1 | begin_artifact
        claim | passes | succeeded/1 | commit commit_as_reactor
        claim | passes | failed/1 | commit_failed
        claim_again | passes | running:publishing/1 | claim append_logs expire_leases promote_due retry
        claim_again | waits | running:publishing/1 | heartbeat
        claim_again | passes | running:publishing/1 | report_attempt report_each report_failed cancel force_cancel
        claim_again | passes | running:publishing/1 | begin_artifact
        claim_again | waits | running:publishing/1 | claim_again
        claim_again | passes | succeeded/1 | commit commit_as_reactor
        claim_again | passes | failed/1 | commit_failed
        heartbeat | passes | running:publishing/1 | claim claim_again append_logs expire_leases promote_due retry
        heartbeat | waits | running:publishing/1 | report_attempt report_each report_failed
        heartbeat | passes | running:publishing/1 | cancel force_cancel
        heartbeat | passes | running:publishing/1 | begin_artifact
        heartbeat | waits | running:publishing/1 | heartbeat
        heartbeat | waits | succeeded/1 | commit commit_as_reactor
        heartbeat | waits | failed/1 | commit_failed
        append_logs | passes | running:publishing/1 | claim claim_again heartbeat expire_leases promote_due
        append_logs | waits | running:publishing/1 | append_logs retry report_attempt report_each report_failed
        append_logs | waits | running:publishing/1 | cancel force_cancel begin_artifact
        append_logs | waits | succeeded/1 | commit commit_as_reactor
        append_logs | waits | failed/1 | commit_failed
        expire_leases | passes | running:publishing/1 | claim claim_again heartbeat append_logs promote_due retry
        expire_leases | passes | running:publishing/1 | report_attempt report_each report_failed cancel force_cancel
        expire_leases | passes | running:publishing/1 | begin_artifact
        expire_leases | waits | running:publishing/1 | expire_leases
        expire_leases | passes | succeeded/1 | commit commit_as_reactor
        expire_leases | passes | failed/1 | commit_failed
        promote_due | passes | running:publishing/1 | claim claim_again heartbeat append_logs expire_leases
        promote_due | passes | running:publishing/1 | promote_due retry report_attempt report_each report_failed
        promote_due | passes | running:publishing/1 | cancel force_cancel begin_artifact
        promote_due | passes | succeeded/1 | commit commit_as_reactor
        promote_due | passes | failed/1 | commit_failed
        retry | passes | running:publishing/1 | claim claim_again heartbeat append_logs expire_leases promote_due
        retry | passes | running:publishing/1 | retry report_attempt report_each report_failed cancel force_cancel
        retry | passes | running:publishing/1 | begin_artifact
        retry | passes | succeeded/1 | commit commit_as_reactor
        retry | passes | failed/1 | commit_failed
        report_attempt | passes | running:publishing/1 | claim claim_again expire_leases promote_due
        report_attempt | waits | running:publishing/1 | heartbeat
        report_attempt | waits | running:publishing/1 | append_logs retry report_attempt report_each report_failed
        report_attempt | waits | running:publishing/1 | cancel force_cancel begin_artifact
        report_attempt | waits | succeeded/1 | commit commit_as_reactor
        report_attempt | waits | failed/1 | commit_failed
        report_each | passes | running:publishing/1 | claim claim_again expire_leases promote_due
        report_each | waits | running:publishing/1 | heartbeat
        report_each | waits | running:publishing/1 | append_logs retry report_attempt report_each report_failed
        report_each | waits | running:publishing/1 | cancel force_cancel begin_artifact
        report_each | waits | succeeded/1 | commit commit_as_reactor
        report_each | waits | failed/1 | commit_failed
        report_failed | passes | running:publishing/1 | claim claim_again heartbeat append_logs expire_leases
        report_failed | passes | running:publishing/1 | promote_due retry report_attempt report_each report_failed
        report_failed | passes | running:publishing/1 | cancel force_cancel begin_artifact
        report_failed | passes | succeeded/1 | commit commit_as_reactor
        report_failed | passes | failed/1 | commit_failed
        cancel | passes | running:publishing/1 | claim claim_again heartbeat append_logs expire_leases promote_due
        cancel | passes | running:publishing/1 | retry report_attempt report_each report_failed cancel force_cancel
        cancel | passes | running:publishing/1 | begin_artifact
        cancel | passes | succeeded/1 | commit commit_as_reactor
        cancel | passes | failed/1 | commit_failed
        force_cancel | passes | running:publishing/1 | claim claim_again heartbeat append_logs expire_leases
        force_cancel | passes | running:publishing/1 | promote_due retry report_attempt report_each report_failed
        force_cancel | passes | running:publishing/1 | cancel force_cancel begin_artifact
        force_cancel | passes | succeeded/1 | commit commit_as_reactor
        force_cancel | passes | failed/1 | commit_failed
        begin_artifact | passes | running:publishing/1 | claim claim_again heartbeat append_logs expire_leases
        begin_artifact | passes | running:publishing/1 | promote_due retry report_attempt report_each report_failed
        begin_artifact | passes | running:publishing/1 | cancel force_cancel begin_artifact
        begin_artifact | passes | succeeded/1 | commit commit_as_reactor
        begin_artifact | passes | failed/1 | commit_failed
    """,
    "ended": """
        retry | waits | failed/1 | retry cancel force_cancel append_logs report_attempt report_each
        retry | passes | failed/1 | heartbeat expire_leases promote_due
        cancel | passes | failed/1 | retry cancel force_cancel heartbeat append_logs report_attempt report_each
        cancel | passes | failed/1 | expire_leases promote_due
        force_cancel | passes | failed/1 | retry cancel force_cancel heartbeat append_logs report_attempt
        force_cancel | passes | failed/1 | report_each expire_leases promote_due
        heartbeat | passes | failed/1 | retry cancel force_cancel append_logs report_attempt report_each
        heartbeat | passes | failed/1 | expire_leases promote_due
        heartbeat | waits | failed/1 | heartbeat
        append_logs | passes | failed/1 | retry cancel force_cancel heartbeat append_logs report_attempt report_each
        append_logs | passes | failed/1 | expire_leases promote_due
        report_attempt | waits | failed/1 | retry cancel force_cancel append_logs report_attempt report_each
        report_attempt | passes | failed/1 | heartbeat expire_leases promote_due
        report_each | waits | failed/1 | retry cancel force_cancel append_logs report_attempt report_each
        report_each | passes | failed/1 | heartbeat expire_leases promote_due
        expire_leases | passes | failed/1 | retry cancel force_cancel heartbeat append_logs report_attempt
        expire_leases | passes | failed/1 | report_each promote_due
        expire_leases | waits | failed/1 | expire_leases
        promote_due | passes | failed/1 | retry cancel force_cancel heartbeat append_logs report_attempt report_each
        promote_due | passes | failed/1 | expire_leases promote_due
    """,
}
# (verb, verbs, why no situation lets them meet on one run); a test holds that nothing else is missing.
CANNOT_MEET: list[tuple[str, str, str]] = [
    ("commit_failed", "claim_each", "a run that publishes is held, and ended by the commit: it is never ready again"),
    ("commit_failed", "record_artifact", "artifacts are recorded before the report, publications exist after it"),
]
# Verbs of servers that touch no run, or none that anybody else can touch, and why; all others meet in the tables.
NOT_ABOUT_A_RUN: list[tuple[str, str]] = [
    ("create_login_code redeem_login_code end_session create_token revoke_token", "who calls"),
    ("authenticate", "who calls"),
    ("register_executor pause_executor resume_executor drain_executor", "an executor; claims read it"),
    ("leave_executor", "all that one executor holds: how it meets others is in tests/db/test_core_leaving.py"),
    ("pause_queue resume_queue", "a queue: the gate that claims pass is in tests/db/test_race_steering.py"),
    ("put_template put_bundle put_setting put_workspace put_cap", "what runs are made from, which they copy"),
    ("put_budget put_prices", "what claims and ends look up: tests/db/test_race_budgets.py"),
    ("ensure_partitions drop_partitions lead", "the reactor's own"),
    ("expire_artifacts condemn_objects take_condemned removed_object", "artifacts of runs that have ended, objects"),
    ("artifacts_each", "record_artifact and begin_artifact, one after the other"),
    ("open_upload declare_parts", "locks what begin_artifact locks, and then rows that nobody else reads"),
    ("close_upload refuse_object", "an upload, an object: no run"),
    ("hold_run release_run", "what a run left"),
    ("put_manifest put_signing_key", "what is said of a run that has ended, once: tests/db/test_provenance.py"),
    ("reproduce_run", "a run that has ended, which nothing changes, and a new one"),
    ("record_lineage settle_lineage", "what is told of events that have been committed"),
    ("tell_ready", "what other transactions have committed"),
    ("keep_ready kept_ready", "a setting of their own transaction"),
    ("warm_up", "no rows at all: tests/db/test_core_plans.py"),
]
