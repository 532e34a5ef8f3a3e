"""Ways to break server and executor, each with the tests that are to notice (tests.faults.fault says what one is)."""

from __future__ import annotations

from tests.faults.fault import Edit, Fault, Swap
from tests.faults.swaps import blind_to_commits, falls_together, finds_nothing, forgets_the_mode, without_conditions
from tests.faults.upload_faults import UPLOAD_FAULTS

__all__ = ["BY_NAME", "FAULTS", "Edit", "Fault", "Swap"]
MACHINE = "tests/db/test_machine.py::test_any_order_of_verbs_leaves_what_the_model_says[pg18]"
FENCING = "tests/db/test_core_fencing.py::test_every_verb_refuses_a_stale_epoch_with_the_holders_epoch_and_the_reason"
RACES = "tests/db/test_race_core.py::test_"
POISON = "tests/db/test_core_exchange_poison.py::test_a_poisoned_report_among_99_good_ones_fails_alone"
EPOCH_OF_LEASE = "l.run_id = p_run_id and l.epoch = v_epoch"
FAULTS = (
    Fault(
        "heartbeat without epoch",
        "an old epoch renews the lease of the new holder",
        (MACHINE, FENCING, "tests/db/test_core_flow.py::test_a_heartbeat_with_strangers_still_renews_the_rest"),
        (
            Edit("renew_leases", "on s.run_id = l.run_id and s.epoch = l.epoch", "on s.run_id = l.run_id"),
            Edit("directives", "on l.run_id = s.run_id and l.epoch = s.epoch", "on l.run_id = s.run_id"),
        ),
    ),
    Fault(
        "logs and artifacts without epoch",
        "an attempt that lost its lease goes on writing",
        (
            MACHINE,
            FENCING,
            "tests/db/test_edge_logs.py::test_a_lost_lease_writes_no_logs",
            "tests/db/test_edge_artifacts.py::test_a_lost_lease_begins_and_records_nothing",
        ),
        (Edit("hold_lease", "l.run_id = p_run_id and l.epoch = p_epoch", "l.run_id = p_run_id"),),
    ),
    Fault(
        "report without epoch",
        "an attempt that lost its lease ends the run of another",
        (MACHINE, FENCING),
        (Edit("report_one", EPOCH_OF_LEASE, "l.run_id = p_run_id"),),
        ("drop trigger attempts_transitions on ops.attempts",),
    ),
    Fault(
        "report accepted twice",
        "a second report is taken like a first",
        (
            MACHINE,
            "tests/db/test_core_reports.py::test_a_report_sent_again_gets_the_recorded_answer",
            RACES + "a_report_sent_twice_at_once_is_accepted_once",
        ),
        (
            Edit("report_one", "if v_attempt.reported_at is not null then", "if false then"),
            Edit("report_one", f"not exists (select from ops.leases l where {EPOCH_OF_LEASE})", "false"),
        ),
        ("drop trigger attempts_transitions on ops.attempts", "drop trigger runs_transitions on ops.runs"),
    ),
    Fault(
        "sweeper revives",
        "a run whose success was accepted is taken away and run again",
        (
            MACHINE,
            "tests/db/test_core_publications.py",
        ),
        (Edit("expire_leases", "l.lease_deadline < v_now and l.reported_at is null", "l.lease_deadline < v_now"),),
        (
            "drop trigger attempts_transitions on ops.attempts",
            "alter table ops.attempts drop constraint attempts_expired_was_not_reported",
        ),
    ),
    Fault(
        "sweeper reads, then writes",
        "a lease that is being renewed or reported is swept all the same",
        (
            RACES + "the_sweeper_passes_over_a_run_that_is_being_reported",
            RACES + "the_sweeper_passes_over_a_lease_that_is_being_renewed",
        ),
        (Edit("expire_leases", " for update of r, l skip locked", ""),),
    ),
    Fault(
        "sweeper ignores its own outage",
        "after an outage all healthy runs are taken from their executors",
        (
            MACHINE,
            "tests/db/test_core_retries.py::test_after_an_outage_of_its_own_the_sweeper_gives_each_lease_its_length",
        ),
        (Edit("sweeper_back", "coalesce(max(g.ended_at), '-infinity')", "'-infinity'::timestamptz"),),
    ),
    Fault(
        "epoch not raised at revocation",
        "the loser of a lease and nobody have the same epoch",
        (MACHINE, RACES + "a_report_that_comes_while_the_sweeper_revokes_is_refused"),
        (Edit("take_back", "set epoch = epoch + 1, expirations", "set expirations"),),
    ),
    Fault(
        "NOTIFY missing",
        "waiting claims are not woken: polling hides it, so only time shows it",
        (
            "tests/contract/test_claims.py::test_a_waiting_claim_is_woken_by_a_submit_before_it_would_look_for_itself",
            "tests/db/test_core_events.py::test_waiters_are_told_once_and_only_when_something_became_claimable",
        ),
        (Edit("notify_ready", "if cardinality(p_kinds) = 0 then", "if true then"),),
        hangs=True,
    ),
    Fault(
        "key counted unlocked",
        "two claims at once both see the last free slot of a concurrency key",
        (
            RACES + "two_claims_at_once_keep_a_key_within_its_limit",
            RACES + "many_claimers_never_hold_a_key_more_often_than_its_limit",
        ),
        (
            Edit("lock_keys", " for no key update skip locked", ""),
            Edit("lock_keys", " for no key update", ""),
        ),
    ),
    Fault(
        "promoted into an old place",
        "a run that becomes ready gets no new ready sequence, and claims have gone past its place",
        (MACHINE, "tests/db/test_core_flow.py::test_runs_are_claimed_by_priority_then_in_order"),
        (Edit("enqueue", "ready_seq = nextval('ops.ready_seq')", "ready_seq = 1"),),
    ),
    Fault(
        "siblings unlocked",
        "two siblings reporting at once leave their dependent waiting for ever",
        (RACES + "two_siblings_that_report_at_once_unblock_their_dependent",),
        (Edit("settle", "where r.run_id = any (v_below) and r.state = 'waiting'", "where false"),),
    ),
    Fault(
        "artifacts visible before the report",
        "what an attempt recorded is shown although the attempt may lose",
        (MACHINE, "tests/db/test_edge_artifacts.py::test_an_artifact_is_begun_recorded_and_visible_with_the_report"),
        (
            Edit(
                "record_artifact",
                "set state = 'recorded', recorded_at = ops.now()",
                "set state = 'visible', recorded_at = ops.now(), visible_at = ops.now()",
            ),
        ),
        ("drop trigger artifacts_transitions on ops.artifacts",),
    ),
    Fault(
        "events not chained",
        "an event's hash covers the event alone",
        (MACHINE, "tests/db/test_core_events.py::test_the_chain_verifies_from_the_stored_bytes"),
        (Edit("append_events", "sha256(f.prev_hash || convert_to(", "sha256(convert_to("),),
    ),
    Fault(
        "claim forgotten",
        "a claim asked for again gives other runs, and the first are lost until their leases end",
        (
            MACHINE,
            "tests/db/test_core_flow.py::test_a_claim_asked_for_again_gets_the_same_runs_minus_those_revoked",
            RACES + "one_request_id_sent_twice_at_once_claims_once",
        ),
        (
            Edit("repeated_claim", "where c.executor_id = p_executor.executor_id", "where false"),
            Edit("plain_claims", "limit 1) is null);", "limit 1) is null or true);"),
            Edit(
                "remember_claims",
                "group by c.executor_id, c.request_id, c.body_digest;",
                """group by
              c.executor_id, c.request_id, c.body_digest on conflict do nothing;""",
            ),
        ),
    ),
    Fault(
        "plain report without epoch",
        "a success of an attempt that lost its run ends the run of the next one",
        (POISON,),
        (Edit("report_plain", "and l.epoch = s.epoch and", "and"),),
        ("drop trigger attempts_transitions on ops.attempts",),
    ),
    Fault(
        "plain report of anybody",
        "a success of a run that another token's executor holds is accepted",
        (POISON,),
        (Edit("report_plain", "and e.token_id = s.token_id", ""),),
    ),
    Fault(
        "plain report of a revoked token",
        "the set-based way forgets to look whether the token lives",
        (POISON,),
        (Edit("report_plain", "and ops.token_is_live(t)", ""),),
    ),
    Fault(
        "epoch not raised at claim",
        "two attempts of one run share an epoch, so a late one is not told apart",
        (MACHINE, "tests/db/test_core_flow.py"),
        (Edit("start_runs", "r.epoch + 1 as epoch", "greatest(r.epoch, 1) as epoch"),),
    ),
    Fault(
        "events by the writer's transaction alone",
        "readers get a run's start before its submit, when the claim's transaction began first",
        (
            "tests/db/test_edge_events.py"
            "::test_the_events_of_a_run_come_in_their_order_whichever_transaction_began_first",
        ),
        (Edit("start_runs", "greatest(r.event_xid, pg_current_xact_id())", "pg_current_xact_id()"),),
    ),
    Fault(
        "cancel not told",
        "the executor never hears that its run is cancelled",
        (MACHINE, RACES + "a_cancel_that_comes_while_a_run_is_claimed_asks_it_to_stop"),
        (Edit("directives", "when (h.run).cancel_requested_at is not null or o.capped is not null then 'cancel'", ""),),
    ),
    Fault(
        "terminal is not final",
        "a cancel reaches a run that has ended",
        (MACHINE, "tests/db/test_core_submit.py::test_a_queued_run_is_cancelled_at_once_and_an_ended_one_not_at_all"),
        (
            Edit("check_cancel", "if p_run.state in ('succeeded', 'failed', 'skipped') then", "if false then"),
            Edit("cancel_each", "r.state in ('waiting', 'queued', 'running')", "r.state <> 'cancelled'"),
        ),
        ("drop trigger runs_transitions on ops.runs",),
    ),
    Fault(
        "submit key forgotten",
        "a submit sent again makes a second run",
        (
            MACHINE,
            "tests/db/test_core_submit.py::test_an_idempotency_key_makes_one_run",
            RACES + "one_idempotency_key_submitted_twice_at_once_makes_one_run",
        ),
        (Edit("repeated_submit", "if p_key is null then", "if true then"),),
        ("drop index ops.runs_idempotency",),
    ),
    Fault(
        "publish without check",
        "a publication committed before is committed again: rows twice",
        (
            "tests/executors/test_publication_commit.py::test_a_second_commit_finds_the_version_of_the_first_even_below_newer_ones",
            "tests/executors/test_publication_commit.py::test_a_writer_paused_between_check_and_commit_looks_again",
        ),
        swaps=(Swap("executors.runtime.commit_delta", "Committer", "_open", blind_to_commits),),
    ),
    Fault(
        "publish to Iceberg without check",
        "the marker in the snapshots is not looked for: rows twice",
        (
            "tests/executors/test_publication_iceberg.py::test_a_second_commit_finds_the_snapshot_of_the_first_even_below_newer_ones",
            "tests/executors/test_publication_iceberg.py::test_a_commit_that_was_rolled_back_is_not_done_again",
        ),
        swaps=(Swap("executors.runtime.commit_iceberg", "Committer", "_found", finds_nothing),),
    ),
    Fault(
        "publish an object without check",
        "the book is not asked for the marker: an old publication comes back over newer ones",
        ("tests/executors/test_publication_object.py::test_a_staged_copy_that_stayed_is_not_published_again",),
        swaps=(Swap("executors.runtime.object_book", "Book", "found", finds_nothing),),
    ),
    Fault(
        "publish an object without a condition",
        "the book is written over whatever stands there: of two commits at once one is forgotten",
        (
            "tests/executors/test_publication_object.py::test_many_committers_of_one_object_count_each_publication_once",
            "tests/executors/test_publication_object.py::test_a_writer_paused_between_check_and_commit_looks_again",
        ),
        swaps=(Swap("executors.runtime.commit_object", "Committer", "__init__", without_conditions),),
    ),
    Fault(
        "create an object over another",
        "whoever writes the bytes of a commit replaces what came to the place meanwhile",
        (
            "tests/executors/test_publication_create.py::test_an_object_that_comes_between_check_and_commit_stays",
            "tests/executors/test_publication_create.py"
            "::test_whoever_finishes_for_a_dead_creator_does_not_overwrite_either",
        ),
        swaps=(Swap("executors.runtime.object_book", "Book", "with_commit", forgets_the_mode),),
    ),
    Fault(
        "an object for whoever reads artifacts",
        "an executor that does not know objects gets one as its input",
        ("tests/db/test_core_publication_inputs.py",),
        (Edit("input_wrong", "f.kind <> 'object' and f.format = 'object'", "false"),),
    ),
    Fault(
        "a refused commit forgotten",
        "a slow executor that tells the commit which the reactor told is refused",
        (
            "tests/db/test_core_publication_formats.py"
            "::test_a_commit_that_was_refused_is_told_again_with_the_answer_on_record",
        ),
        (
            Edit(
                "publish",
                "ops.fail_output(v_found, v_error, v_actor, p_body)",
                "ops.fail_output(v_found, v_error, v_actor)",
            ),
        ),
    ),
    Fault(
        "one bad request fails its batch",
        "the server tells everybody whose request shared the statement",
        ("tests/unit/test_exchanger.py", "tests/unit/test_submitter.py"),
        swaps=(Swap("contract.server.lanes", "Lanes", "_send", falls_together),),
    ),
    *UPLOAD_FAULTS,
)
BY_NAME = {fault.name: fault for fault in FAULTS}
