"""What tests/db/race_table.py says of verbs that steer or submit, of runs that nobody holds or that have reported.

submit_after makes a run that waits for this one ("then"), submit_instead one with its dedupe key.
"""

from __future__ import annotations

STEERING: dict[str, str] = {
    "queued": """
        cancel | waits | cancelled/0 | pause resume reschedule requeue replay submit_instead
        cancel | waits | cancelled/0 then queued | submit_after
        force_cancel | waits | cancelled/0 | pause resume reschedule requeue replay submit_instead
        force_cancel | waits | cancelled/0 then queued | submit_after
        retry | passes | queued/0= | pause
        retry | passes | queued/0 | resume requeue replay
        retry | passes | queued/0+5 | reschedule
        retry | passes | queued/0 then waiting | submit_after
        retry | passes | cancelled/0 | submit_instead
        claim | waits | running/1= | pause
        claim | waits | running/1 | resume reschedule replay submit_instead
        claim | waits | queued/2 | requeue
        claim | waits | running/1 then waiting | submit_after
        claim_each | waits | running/1= | pause
        claim_each | waits | running/1 | resume reschedule replay submit_instead
        claim_each | waits | queued/2 | requeue
        claim_each | waits | running/1 then waiting | submit_after
        expire_leases | passes | queued/0= | pause
        expire_leases | passes | queued/0 | resume requeue replay
        expire_leases | passes | queued/0+5 | reschedule
        expire_leases | passes | queued/0 then waiting | submit_after
        expire_leases | passes | cancelled/0 | submit_instead
        promote_due | passes | queued/0= | pause
        promote_due | passes | queued/0 | resume requeue replay
        promote_due | passes | queued/0+5 | reschedule
        promote_due | passes | queued/0 then waiting | submit_after
        promote_due | passes | cancelled/0 | submit_instead
        pause | waits | cancelled/0 | cancel force_cancel submit_instead
        pause | waits | queued/0= | retry pause requeue replay
        pause | passes | queued/0= | claim claim_each expire_leases promote_due
        pause | waits | queued/0 | resume
        pause | waits | queued/0=+5 | reschedule
        pause | waits | queued/0= then waiting | submit_after
        resume | waits | cancelled/0 | cancel force_cancel submit_instead
        resume | waits | queued/0 | retry resume requeue replay
        resume | passes | queued/0 | claim claim_each expire_leases promote_due
        resume | waits | queued/0= | pause
        resume | waits | queued/0+5 | reschedule
        resume | waits | queued/0 then waiting | submit_after
        reschedule | waits | cancelled/0+5 | cancel force_cancel submit_instead
        reschedule | waits | queued/0+5 | retry resume reschedule requeue replay
        reschedule | passes | queued/0+5 | claim claim_each expire_leases promote_due
        reschedule | waits | queued/0=+5 | pause
        reschedule | waits | queued/0+5 then waiting | submit_after
        requeue | passes | cancelled/0 | cancel force_cancel submit_instead
        requeue | passes | queued/0 | retry expire_leases promote_due resume requeue replay
        requeue | passes | running/1 | claim claim_each
        requeue | passes | queued/0= | pause
        requeue | passes | queued/0+5 | reschedule
        requeue | passes | queued/0 then waiting | submit_after
        replay | waits | cancelled/0 | cancel force_cancel submit_instead
        replay | waits | queued/0 | retry resume requeue replay
        replay | passes | queued/0 | claim claim_each expire_leases promote_due
        replay | waits | queued/0= | pause
        replay | waits | queued/0+5 | reschedule
        replay | waits | queued/0 then waiting | submit_after
        submit_after | waits | cancelled/0 then queued | cancel force_cancel submit_instead
        submit_after | waits | queued/0 then waiting | retry resume requeue replay
        submit_after | passes | queued/0 then waiting | claim claim_each expire_leases promote_due
        submit_after | waits | queued/0= then waiting | pause
        submit_after | waits | queued/0+5 then waiting | reschedule
        submit_after | passes | queued/0 then waiting waiting | submit_after
        submit_instead | waits | cancelled/0 | cancel force_cancel retry pause resume reschedule requeue replay
        submit_instead | waits | cancelled/0 | submit_instead
        submit_instead | passes | cancelled/0 | claim claim_each expire_leases promote_due
        submit_instead | waits | cancelled/0 then queued | submit_after
    """,
    "due": """
        cancel | waits | cancelled/0 | pause resume reschedule requeue replay submit_instead
        cancel | waits | cancelled/0 then queued | submit_after
        force_cancel | waits | cancelled/0 | pause resume reschedule requeue replay submit_instead
        force_cancel | waits | cancelled/0 then queued | submit_after
        claim | waits | running/1= | pause
        claim | waits | running/1 | resume reschedule replay submit_instead
        claim | waits | queued/2 | requeue
        claim | waits | running/1 then waiting | submit_after
        claim_each | waits | running/1= | pause
        claim_each | waits | running/1 | resume reschedule replay submit_instead
        claim_each | waits | queued/2 | requeue
        claim_each | waits | running/1 then waiting | submit_after
        promote_due | waits | queued/0= | pause
        promote_due | waits | queued/0 | resume requeue replay
        promote_due | waits | queued/0+5 | reschedule
        promote_due | waits | queued/0 then waiting | submit_after
        promote_due | waits | cancelled/0 | submit_instead
        expire_leases | passes | waiting:not_before/0= | pause
        expire_leases | passes | waiting:not_before/0 | resume requeue replay
        expire_leases | passes | queued/0+5 | reschedule
        expire_leases | passes | waiting:not_before/0 then waiting | submit_after
        expire_leases | passes | cancelled/0 | submit_instead
        pause | waits | cancelled/0 | cancel force_cancel submit_instead
        pause | passes | waiting:not_before/0= | claim claim_each promote_due expire_leases
        pause | waits | waiting:not_before/0= | pause requeue replay
        pause | waits | queued/0 | resume
        pause | waits | waiting:not_before/0=+5 | reschedule
        pause | waits | waiting:not_before/0= then waiting | submit_after
        resume | waits | cancelled/0 | cancel force_cancel submit_instead
        resume | passes | waiting:not_before/0 | claim claim_each promote_due expire_leases
        resume | waits | waiting:not_before/0= | pause
        resume | waits | waiting:not_before/0 | resume requeue replay
        resume | waits | queued/0+5 | reschedule
        resume | waits | waiting:not_before/0 then waiting | submit_after
        reschedule | waits | cancelled/0+5 | cancel force_cancel submit_instead
        reschedule | passes | queued/0+5 | claim claim_each promote_due expire_leases
        reschedule | waits | queued/0=+5 | pause
        reschedule | waits | queued/0+5 | resume reschedule requeue replay
        reschedule | waits | queued/0+5 then waiting | submit_after
        requeue | passes | cancelled/0 | cancel force_cancel submit_instead
        requeue | passes | running/1 | claim claim_each
        requeue | passes | queued/0 | promote_due
        requeue | passes | waiting:not_before/0 | expire_leases resume requeue replay
        requeue | passes | waiting:not_before/0= | pause
        requeue | passes | queued/0+5 | reschedule
        requeue | passes | waiting:not_before/0 then waiting | submit_after
        replay | waits | cancelled/0 | cancel force_cancel submit_instead
        replay | passes | waiting:not_before/0 | claim claim_each promote_due expire_leases
        replay | waits | waiting:not_before/0= | pause
        replay | waits | waiting:not_before/0 | resume requeue replay
        replay | waits | queued/0+5 | reschedule
        replay | waits | waiting:not_before/0 then waiting | submit_after
        submit_after | waits | cancelled/0 then queued | cancel force_cancel submit_instead
        submit_after | passes | waiting:not_before/0 then waiting | claim claim_each promote_due expire_leases
        submit_after | waits | waiting:not_before/0= then waiting | pause
        submit_after | waits | waiting:not_before/0 then waiting | resume requeue replay
        submit_after | waits | queued/0+5 then waiting | reschedule
        submit_after | passes | waiting:not_before/0 then waiting waiting | submit_after
        submit_instead | waits | cancelled/0 | cancel force_cancel pause resume reschedule requeue replay
        submit_instead | waits | cancelled/0 | submit_instead
        submit_instead | passes | cancelled/0 | claim claim_each promote_due expire_leases
        submit_instead | waits | cancelled/0 then queued | submit_after
    """,
    "publishing": """
        commit | waits | succeeded/1 | pause resume reschedule requeue replay submit_instead
        commit | waits | succeeded/1 then queued | submit_after
        claim | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        claim | passes | running:publishing/1 then waiting | submit_after
        claim_again | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        claim_again | passes | running:publishing/1 then waiting | submit_after
        expire_leases | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        expire_leases | passes | running:publishing/1 then waiting | submit_after
        promote_due | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        promote_due | passes | running:publishing/1 then waiting | submit_after
        heartbeat | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        heartbeat | passes | running:publishing/1 then waiting | submit_after
        append_logs | waits | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        append_logs | waits | running:publishing/1 then waiting | submit_after
        retry | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        retry | passes | running:publishing/1 then waiting | submit_after
        report_attempt | waits | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        report_attempt | waits | running:publishing/1 then waiting | submit_after
        report_each | waits | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        report_each | waits | running:publishing/1 then waiting | submit_after
        report_failed | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        report_failed | passes | running:publishing/1 then waiting | submit_after
        cancel | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        cancel | passes | running:publishing/1 then waiting | submit_after
        force_cancel | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        force_cancel | passes | running:publishing/1 then waiting | submit_after
        begin_artifact | passes | running:publishing/1 | pause resume reschedule requeue replay submit_instead
        begin_artifact | passes | running:publishing/1 then waiting | submit_after
        commit_as_reactor | waits | succeeded/1 | pause resume reschedule requeue replay submit_instead
        commit_as_reactor | waits | succeeded/1 then queued | submit_after
        commit_failed | waits | failed/1 | pause resume reschedule requeue replay submit_instead
        commit_failed | waits | failed/1 then queued | submit_after
        pause | passes | succeeded/1 | commit commit_as_reactor
        pause | passes | running:publishing/1 | claim claim_again expire_leases promote_due heartbeat append_logs
        pause | passes | running:publishing/1 | retry report_attempt report_each report_failed cancel force_cancel
        pause | passes | running:publishing/1 | begin_artifact pause resume reschedule requeue replay submit_instead
        pause | passes | failed/1 | commit_failed
        pause | passes | running:publishing/1 then waiting | submit_after
        resume | passes | succeeded/1 | commit commit_as_reactor
        resume | passes | running:publishing/1 | claim claim_again expire_leases promote_due heartbeat append_logs
        resume | passes | running:publishing/1 | retry report_attempt report_each report_failed cancel force_cancel
        resume | passes | running:publishing/1 | begin_artifact pause resume reschedule requeue replay submit_instead
        resume | passes | failed/1 | commit_failed
        resume | passes | running:publishing/1 then waiting | submit_after
        reschedule | passes | succeeded/1 | commit commit_as_reactor
        reschedule | passes | running:publishing/1 | claim claim_again expire_leases promote_due heartbeat append_logs
        reschedule | passes | running:publishing/1 | retry report_attempt report_each report_failed cancel
        reschedule | passes | running:publishing/1 | force_cancel begin_artifact pause resume reschedule requeue
        reschedule | passes | running:publishing/1 | replay submit_instead
        reschedule | passes | failed/1 | commit_failed
        reschedule | passes | running:publishing/1 then waiting | submit_after
        requeue | passes | succeeded/1 | commit commit_as_reactor
        requeue | passes | running:publishing/1 | claim claim_again expire_leases promote_due heartbeat append_logs
        requeue | passes | running:publishing/1 | retry report_attempt report_each report_failed cancel force_cancel
        requeue | passes | running:publishing/1 | begin_artifact pause resume reschedule requeue replay submit_instead
        requeue | passes | failed/1 | commit_failed
        requeue | passes | running:publishing/1 then waiting | submit_after
        replay | waits | succeeded/1 | commit commit_as_reactor
        replay | passes | running:publishing/1 | claim claim_again expire_leases promote_due heartbeat
        replay | waits | running:publishing/1 | append_logs retry report_attempt report_each report_failed cancel
        replay | waits | running:publishing/1 | force_cancel begin_artifact pause resume reschedule requeue replay
        replay | waits | running:publishing/1 | submit_instead
        replay | waits | failed/1 | commit_failed
        replay | waits | running:publishing/1 then waiting | submit_after
        submit_after | waits | succeeded/1 then queued | commit commit_as_reactor
        submit_after | passes | running:publishing/1 then waiting | claim claim_again expire_leases promote_due
        submit_after | passes | running:publishing/1 then waiting | heartbeat
        submit_after | waits | running:publishing/1 then waiting | append_logs retry report_attempt report_each
        submit_after | waits | running:publishing/1 then waiting | report_failed cancel force_cancel begin_artifact
        submit_after | waits | running:publishing/1 then waiting | pause resume reschedule requeue replay
        submit_after | waits | running:publishing/1 then waiting | submit_instead
        submit_after | waits | failed/1 then queued | commit_failed
        submit_after | passes | running:publishing/1 then waiting waiting | submit_after
        submit_instead | passes | succeeded/1 | commit commit_as_reactor
        submit_instead | passes | running:publishing/1 | claim claim_again expire_leases promote_due heartbeat
        submit_instead | passes | running:publishing/1 | append_logs retry report_attempt report_each report_failed
        submit_instead | passes | running:publishing/1 | cancel force_cancel begin_artifact pause resume reschedule
        submit_instead | passes | running:publishing/1 | requeue replay submit_instead
        submit_instead | passes | failed/1 | commit_failed
        submit_instead | passes | running:publishing/1 then waiting | submit_after
    """,
    "ended": """
        retry | waits | failed/1 | pause resume reschedule requeue replay
        retry | waits | failed/1 then queued | submit_after
        retry | passes | failed/1 | submit_instead
        cancel | passes | failed/1 | pause resume reschedule requeue replay submit_instead
        cancel | passes | failed/1 then queued | submit_after
        force_cancel | passes | failed/1 | pause resume reschedule requeue replay submit_instead
        force_cancel | passes | failed/1 then queued | submit_after
        append_logs | passes | failed/1 | pause resume reschedule requeue replay submit_instead
        append_logs | passes | failed/1 then queued | submit_after
        report_attempt | waits | failed/1 | pause resume reschedule requeue replay
        report_attempt | waits | failed/1 then queued | submit_after
        report_attempt | passes | failed/1 | submit_instead
        report_each | waits | failed/1 | pause resume reschedule requeue replay
        report_each | waits | failed/1 then queued | submit_after
        report_each | passes | failed/1 | submit_instead
        heartbeat | passes | failed/1 | pause resume reschedule requeue replay submit_instead
        heartbeat | passes | failed/1 then queued | submit_after
        expire_leases | passes | failed/1 | pause resume reschedule requeue replay submit_instead
        expire_leases | passes | failed/1 then queued | submit_after
        promote_due | passes | failed/1 | pause resume reschedule requeue replay submit_instead
        promote_due | passes | failed/1 then queued | submit_after
        pause | passes | failed/1 | retry cancel force_cancel append_logs report_attempt report_each heartbeat
        pause | passes | failed/1 | expire_leases promote_due pause resume reschedule requeue replay submit_instead
        pause | passes | failed/1 then queued | submit_after
        resume | passes | failed/1 | retry cancel force_cancel append_logs report_attempt report_each heartbeat
        resume | passes | failed/1 | expire_leases promote_due pause resume reschedule requeue replay submit_instead
        resume | passes | failed/1 then queued | submit_after
        reschedule | passes | failed/1 | retry cancel force_cancel append_logs report_attempt report_each heartbeat
        reschedule | passes | failed/1 | expire_leases promote_due pause resume reschedule requeue replay
        reschedule | passes | failed/1 | submit_instead
        reschedule | passes | failed/1 then queued | submit_after
        requeue | passes | failed/1 | retry cancel force_cancel append_logs report_attempt report_each heartbeat
        requeue | passes | failed/1 | expire_leases promote_due pause resume reschedule requeue replay submit_instead
        requeue | passes | failed/1 then queued | submit_after
        replay | waits | failed/1 | retry cancel force_cancel append_logs report_attempt report_each pause resume
        replay | waits | failed/1 | reschedule requeue replay
        replay | passes | failed/1 | heartbeat expire_leases promote_due submit_instead
        replay | waits | failed/1 then queued | submit_after
        submit_after | waits | failed/1 then queued | retry cancel force_cancel append_logs report_attempt report_each
        submit_after | waits | failed/1 then queued | pause resume reschedule requeue replay
        submit_after | passes | failed/1 then queued | heartbeat expire_leases promote_due submit_instead
        submit_after | passes | failed/1 then queued queued | submit_after
        submit_instead | passes | failed/1 | retry cancel force_cancel append_logs report_attempt report_each
        submit_instead | passes | failed/1 | heartbeat expire_leases promote_due pause resume reschedule requeue
        submit_instead | passes | failed/1 | replay
        submit_instead | passes | failed/1 then queued | submit_after
        submit_instead | waits | failed/1 | submit_instead
    """,
}
