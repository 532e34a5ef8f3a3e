"""What tests/db/race_table.py says of verbs that steer or submit, of runs that are held: alone, and as a task.

…_whole: the verb on the pipeline ("in").
"""

from __future__ import annotations

HELD: dict[str, str] = {
    "lapsed": """
        claim | passes | running/1= | pause
        claim | passes | running/1 | resume reschedule replay submit_instead
        claim | passes | queued/2 | requeue
        claim | passes | running/1 then waiting | submit_after
        claim_each | passes | running/1= | pause
        claim_each | passes | running/1 | resume reschedule replay submit_instead
        claim_each | passes | queued/2 | requeue
        claim_each | passes | running/1 then waiting | submit_after
        claim_again | passes | running/1= | pause
        claim_again | passes | running/1 | resume reschedule replay submit_instead
        claim_again | passes | queued/2 | requeue
        claim_again | passes | running/1 then waiting | submit_after
        heartbeat | passes | running/1= | pause
        heartbeat | passes | running/1 | resume reschedule replay submit_instead
        heartbeat | waits | queued/2 | requeue
        heartbeat | passes | running/1 then waiting | submit_after
        append_logs | waits | running/1= | pause
        append_logs | waits | running/1 | resume reschedule replay submit_instead
        append_logs | waits | queued/2 | requeue
        append_logs | waits | running/1 then waiting | submit_after
        promote_due | passes | running/1= | pause
        promote_due | passes | running/1 | resume reschedule replay submit_instead
        promote_due | passes | queued/2 | requeue
        promote_due | passes | running/1 then waiting | submit_after
        record_artifact | waits | running/1= | pause
        record_artifact | waits | running/1 | resume reschedule replay submit_instead
        record_artifact | waits | queued/2 | requeue
        record_artifact | waits | running/1 then waiting | submit_after
        begin_artifact | waits | running/1= | pause
        begin_artifact | waits | running/1 | resume reschedule replay submit_instead
        begin_artifact | waits | queued/2 | requeue
        begin_artifact | waits | running/1 then waiting | submit_after
        commit | passes | running/1= | pause
        commit | passes | running/1 | resume reschedule replay submit_instead
        commit | passes | queued/2 | requeue
        commit | passes | running/1 then waiting | submit_after
        commit_as_reactor | passes | running/1= | pause
        commit_as_reactor | passes | running/1 | resume reschedule replay submit_instead
        commit_as_reactor | passes | queued/2 | requeue
        commit_as_reactor | passes | running/1 then waiting | submit_after
        retry | passes | running/1= | pause
        retry | passes | running/1 | resume reschedule replay submit_instead
        retry | passes | queued/2 | requeue
        retry | passes | running/1 then waiting | submit_after
        report_attempt | waits | succeeded/1 | pause resume reschedule requeue replay submit_instead
        report_attempt | waits | succeeded/1 then queued | submit_after
        report_each | waits | succeeded/1 | pause resume reschedule requeue replay submit_instead
        report_each | waits | succeeded/1 then queued | submit_after
        report_failed | waits | queued/1= | pause
        report_failed | waits | queued/1 | resume requeue replay
        report_failed | waits | queued/1+5 | reschedule
        report_failed | waits | queued/1 then waiting | submit_after
        report_failed | waits | cancelled/1 | submit_instead
        cancel | waits | running/1!= | pause
        cancel | waits | running/1! | resume reschedule replay submit_instead
        cancel | waits | cancelled/2 | requeue
        cancel | waits | running/1! then waiting | submit_after
        force_cancel | waits | cancelled/2 | pause resume reschedule requeue replay submit_instead
        force_cancel | waits | cancelled/2 then queued | submit_after
        expire_leases | waits | queued/2= | pause
        expire_leases | waits | queued/2 | resume requeue replay
        expire_leases | waits | queued/2+5 | reschedule
        expire_leases | waits | queued/2 then waiting | submit_after
        expire_leases | waits | cancelled/2 | submit_instead
        pause | passes | running/1= | claim claim_each claim_again heartbeat promote_due expire_leases
        pause | waits | running/1= | append_logs record_artifact begin_artifact commit commit_as_reactor retry pause
        pause | waits | running/1= | reschedule replay submit_instead
        pause | waits | succeeded/1 | report_attempt report_each
        pause | waits | queued/1= | report_failed
        pause | waits | running/1!= | cancel
        pause | waits | cancelled/2 | force_cancel
        pause | waits | running/1 | resume
        pause | waits | queued/2= | requeue
        pause | waits | running/1= then waiting | submit_after
        resume | passes | running/1 | claim claim_each claim_again heartbeat promote_due expire_leases
        resume | waits | running/1 | append_logs record_artifact begin_artifact commit commit_as_reactor retry resume
        resume | waits | running/1 | reschedule replay submit_instead
        resume | waits | succeeded/1 | report_attempt report_each
        resume | waits | queued/1 | report_failed
        resume | waits | running/1! | cancel
        resume | waits | cancelled/2 | force_cancel
        resume | waits | running/1= | pause
        resume | waits | queued/2 | requeue
        resume | waits | running/1 then waiting | submit_after
        reschedule | passes | running/1 | claim claim_each claim_again heartbeat append_logs promote_due
        reschedule | passes | running/1 | record_artifact begin_artifact commit commit_as_reactor retry resume
        reschedule | passes | running/1 | reschedule replay submit_instead
        reschedule | passes | succeeded/1 | report_attempt report_each
        reschedule | passes | queued/1 | report_failed
        reschedule | passes | running/1! | cancel
        reschedule | passes | cancelled/2 | force_cancel
        reschedule | passes | queued/2 | expire_leases requeue
        reschedule | passes | running/1= | pause
        reschedule | passes | running/1 then waiting | submit_after
        requeue | passes | queued/2 | claim claim_each claim_again promote_due expire_leases
        requeue | waits | queued/2 | heartbeat append_logs record_artifact begin_artifact commit commit_as_reactor
        requeue | waits | queued/2 | retry report_attempt report_each report_failed resume requeue replay
        requeue | waits | cancelled/2 | cancel force_cancel submit_instead
        requeue | waits | queued/2= | pause
        requeue | waits | queued/2+5 | reschedule
        requeue | waits | queued/2 then waiting | submit_after
        replay | passes | running/1 | claim claim_each claim_again heartbeat promote_due expire_leases
        replay | waits | running/1 | append_logs record_artifact begin_artifact commit commit_as_reactor retry resume
        replay | waits | running/1 | reschedule replay submit_instead
        replay | waits | succeeded/1 | report_attempt report_each
        replay | waits | queued/1 | report_failed
        replay | waits | running/1! | cancel
        replay | waits | cancelled/2 | force_cancel
        replay | waits | running/1= | pause
        replay | waits | queued/2 | requeue
        replay | waits | running/1 then waiting | submit_after
        submit_after | passes | running/1 then waiting | claim claim_each claim_again heartbeat promote_due
        submit_after | passes | running/1 then waiting | expire_leases
        submit_after | waits | running/1 then waiting | append_logs record_artifact begin_artifact commit
        submit_after | waits | running/1 then waiting | commit_as_reactor retry resume reschedule replay
        submit_after | waits | running/1 then waiting | submit_instead
        submit_after | waits | succeeded/1 then queued | report_attempt report_each
        submit_after | waits | queued/1 then waiting | report_failed
        submit_after | waits | running/1! then waiting | cancel
        submit_after | waits | cancelled/2 then queued | force_cancel
        submit_after | waits | running/1= then waiting | pause
        submit_after | waits | queued/2 then waiting | requeue
        submit_after | passes | running/1 then waiting waiting | submit_after
        submit_instead | passes | running/1 | claim claim_each claim_again heartbeat append_logs promote_due
        submit_instead | passes | running/1 | record_artifact begin_artifact commit commit_as_reactor retry resume
        submit_instead | passes | running/1 | reschedule replay submit_instead
        submit_instead | passes | succeeded/1 | report_attempt report_each
        submit_instead | passes | queued/1 | report_failed
        submit_instead | passes | running/1! | cancel
        submit_instead | passes | cancelled/2 | force_cancel
        submit_instead | passes | queued/2 | expire_leases requeue
        submit_instead | passes | running/1= | pause
        submit_instead | passes | running/1 then waiting | submit_after
    """,
    "task": """
        claim | passes | running/1 in running/0 | claim claim_again heartbeat append_logs retry promote_due resume
        claim | passes | running/1 in running/0 | reschedule replay resume_whole
        claim | passes | succeeded/1 in running/0 | report_attempt
        claim | passes | queued/1 in running/0 | report_failed
        claim | passes | running/1! in running/0 | cancel
        claim | passes | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        claim | passes | queued/2 in running/0 | expire_leases requeue
        claim | passes | running/1= in running/0 | pause
        claim | passes | running/1 in running/0 then waiting | submit_after
        claim | passes | running/1! in running/0! | cancel_whole
        claim | passes | running/1= in running/0= | pause_whole
        claim | passes | running/1 in running/0+5 | reschedule_whole
        claim_again | passes | running/1 in running/0 | claim claim_again heartbeat append_logs retry promote_due
        claim_again | passes | running/1 in running/0 | resume reschedule replay resume_whole
        claim_again | passes | succeeded/1 in running/0 | report_attempt
        claim_again | passes | queued/1 in running/0 | report_failed
        claim_again | passes | running/1! in running/0 | cancel
        claim_again | passes | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        claim_again | passes | queued/2 in running/0 | expire_leases requeue
        claim_again | passes | running/1= in running/0 | pause
        claim_again | passes | running/1 in running/0 then waiting | submit_after
        claim_again | passes | running/1! in running/0! | cancel_whole
        claim_again | passes | running/1= in running/0= | pause_whole
        claim_again | passes | running/1 in running/0+5 | reschedule_whole
        heartbeat | passes | running/1 in running/0 | claim claim_again append_logs retry expire_leases promote_due
        heartbeat | passes | running/1 in running/0 | resume reschedule replay resume_whole
        heartbeat | waits | running/1 in running/0 | heartbeat
        heartbeat | waits | succeeded/1 in running/0 | report_attempt
        heartbeat | waits | queued/1 in running/0 | report_failed
        heartbeat | passes | running/1! in running/0 | cancel
        heartbeat | waits | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        heartbeat | passes | running/1= in running/0 | pause
        heartbeat | waits | queued/2 in running/0 | requeue
        heartbeat | passes | running/1 in running/0 then waiting | submit_after
        heartbeat | passes | running/1! in running/0! | cancel_whole
        heartbeat | passes | running/1= in running/0= | pause_whole
        heartbeat | passes | running/1 in running/0+5 | reschedule_whole
        append_logs | passes | running/1 in running/0 | claim claim_again heartbeat expire_leases promote_due
        append_logs | waits | running/1 in running/0 | append_logs retry resume reschedule replay resume_whole
        append_logs | waits | succeeded/1 in running/0 | report_attempt
        append_logs | waits | queued/1 in running/0 | report_failed
        append_logs | waits | running/1! in running/0 | cancel
        append_logs | waits | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        append_logs | waits | running/1= in running/0 | pause
        append_logs | waits | queued/2 in running/0 | requeue
        append_logs | waits | running/1 in running/0 then waiting | submit_after
        append_logs | waits | running/1! in running/0! | cancel_whole
        append_logs | waits | running/1= in running/0= | pause_whole
        append_logs | waits | running/1 in running/0+5 | reschedule_whole
        report_attempt | passes | succeeded/1 in running/0 | claim claim_again expire_leases promote_due
        report_attempt | waits | succeeded/1 in running/0 | heartbeat append_logs report_attempt report_failed retry
        report_attempt | waits | succeeded/1 in running/0 | cancel force_cancel pause resume reschedule requeue replay
        report_attempt | waits | succeeded/1 in running/0 | resume_whole
        report_attempt | waits | succeeded/1 in running/0 then queued | submit_after
        report_attempt | waits | succeeded/1 in cancelled/0 | cancel_whole force_cancel_whole
        report_attempt | waits | succeeded/1 in running/0= | pause_whole
        report_attempt | waits | succeeded/1 in running/0+5 | reschedule_whole
        report_failed | passes | queued/1 in running/0 | claim claim_again expire_leases promote_due
        report_failed | waits | queued/1 in running/0 | heartbeat append_logs report_attempt report_failed retry
        report_failed | waits | queued/1 in running/0 | resume requeue replay resume_whole
        report_failed | waits | cancelled/1 in cancelled/0 | cancel force_cancel cancel_whole force_cancel_whole
        report_failed | waits | queued/1= in running/0 | pause
        report_failed | waits | queued/1+5 in running/0 | reschedule
        report_failed | waits | queued/1 in running/0 then waiting | submit_after
        report_failed | waits | queued/1= in running/0= | pause_whole
        report_failed | waits | queued/1+5 in running/0+5 | reschedule_whole
        retry | passes | running/1 in running/0 | claim claim_again heartbeat append_logs retry promote_due resume
        retry | passes | running/1 in running/0 | reschedule replay resume_whole
        retry | passes | succeeded/1 in running/0 | report_attempt
        retry | passes | queued/1 in running/0 | report_failed
        retry | passes | running/1! in running/0 | cancel
        retry | passes | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        retry | passes | queued/2 in running/0 | expire_leases requeue
        retry | passes | running/1= in running/0 | pause
        retry | passes | running/1 in running/0 then waiting | submit_after
        retry | passes | running/1! in running/0! | cancel_whole
        retry | passes | running/1= in running/0= | pause_whole
        retry | passes | running/1 in running/0+5 | reschedule_whole
        cancel | passes | running/1! in running/0 | claim claim_again heartbeat expire_leases promote_due
        cancel | waits | running/1! in running/0 | append_logs retry cancel resume reschedule replay resume_whole
        cancel | waits | succeeded/1 in running/0 | report_attempt
        cancel | waits | cancelled/1 in cancelled/0 | report_failed
        cancel | waits | cancelled/2 in cancelled/0 | force_cancel requeue force_cancel_whole
        cancel | waits | running/1!= in running/0 | pause
        cancel | waits | running/1! in running/0 then waiting | submit_after
        cancel | waits | running/1! in running/0! | cancel_whole
        cancel | waits | running/1!= in running/0= | pause_whole
        cancel | waits | running/1! in running/0+5 | reschedule_whole
        force_cancel | passes | cancelled/2 in cancelled/0 | claim claim_again expire_leases promote_due
        force_cancel | waits | cancelled/2 in cancelled/0 | heartbeat append_logs report_attempt report_failed retry
        force_cancel | waits | cancelled/2 in cancelled/0 | cancel force_cancel pause resume reschedule requeue replay
        force_cancel | waits | cancelled/2 in cancelled/0 | cancel_whole force_cancel_whole pause_whole resume_whole
        force_cancel | waits | cancelled/2 in cancelled/0 | reschedule_whole
        force_cancel | waits | cancelled/2 in cancelled/0 then queued | submit_after
        expire_leases | passes | queued/2 in running/0 | claim claim_again promote_due
        expire_leases | waits | queued/2 in running/0 | heartbeat append_logs report_attempt report_failed retry
        expire_leases | waits | queued/2 in running/0 | expire_leases resume requeue replay resume_whole
        expire_leases | waits | cancelled/2 in cancelled/0 | cancel force_cancel cancel_whole force_cancel_whole
        expire_leases | waits | queued/2= in running/0 | pause
        expire_leases | waits | queued/2+5 in running/0 | reschedule
        expire_leases | waits | queued/2 in running/0 then waiting | submit_after
        expire_leases | waits | queued/2= in running/0= | pause_whole
        expire_leases | waits | queued/2+5 in running/0+5 | reschedule_whole
        promote_due | passes | running/1 in running/0 | claim claim_again heartbeat append_logs retry promote_due
        promote_due | passes | running/1 in running/0 | resume reschedule replay resume_whole
        promote_due | passes | succeeded/1 in running/0 | report_attempt
        promote_due | passes | queued/1 in running/0 | report_failed
        promote_due | passes | running/1! in running/0 | cancel
        promote_due | passes | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        promote_due | passes | queued/2 in running/0 | expire_leases requeue
        promote_due | passes | running/1= in running/0 | pause
        promote_due | passes | running/1 in running/0 then waiting | submit_after
        promote_due | passes | running/1! in running/0! | cancel_whole
        promote_due | passes | running/1= in running/0= | pause_whole
        promote_due | passes | running/1 in running/0+5 | reschedule_whole
        pause | passes | running/1= in running/0 | claim claim_again heartbeat expire_leases promote_due
        pause | waits | running/1= in running/0 | append_logs retry pause reschedule replay
        pause | waits | succeeded/1 in running/0 | report_attempt
        pause | waits | queued/1= in running/0 | report_failed
        pause | waits | running/1!= in running/0 | cancel
        pause | waits | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        pause | waits | running/1 in running/0 | resume resume_whole
        pause | waits | queued/2= in running/0 | requeue
        pause | waits | running/1= in running/0 then waiting | submit_after
        pause | waits | running/1!= in running/0! | cancel_whole
        pause | waits | running/1= in running/0= | pause_whole
        pause | waits | running/1= in running/0+5 | reschedule_whole
        resume | passes | running/1 in running/0 | claim claim_again heartbeat expire_leases promote_due
        resume | waits | running/1 in running/0 | append_logs retry resume reschedule replay resume_whole
        resume | waits | succeeded/1 in running/0 | report_attempt
        resume | waits | queued/1 in running/0 | report_failed
        resume | waits | running/1! in running/0 | cancel
        resume | waits | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        resume | waits | running/1= in running/0 | pause
        resume | waits | queued/2 in running/0 | requeue
        resume | waits | running/1 in running/0 then waiting | submit_after
        resume | waits | running/1! in running/0! | cancel_whole
        resume | waits | running/1= in running/0= | pause_whole
        resume | waits | running/1 in running/0+5 | reschedule_whole
        reschedule | passes | running/1 in running/0 | claim claim_again heartbeat append_logs retry promote_due
        reschedule | passes | running/1 in running/0 | resume reschedule replay resume_whole
        reschedule | passes | succeeded/1 in running/0 | report_attempt
        reschedule | passes | queued/1 in running/0 | report_failed
        reschedule | passes | running/1! in running/0 | cancel
        reschedule | passes | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        reschedule | passes | queued/2 in running/0 | expire_leases requeue
        reschedule | passes | running/1= in running/0 | pause
        reschedule | passes | running/1 in running/0 then waiting | submit_after
        reschedule | passes | running/1! in running/0! | cancel_whole
        reschedule | passes | running/1= in running/0= | pause_whole
        reschedule | passes | running/1 in running/0+5 | reschedule_whole
        requeue | passes | queued/2 in running/0 | claim claim_again expire_leases promote_due
        requeue | waits | queued/2 in running/0 | heartbeat append_logs report_attempt report_failed retry resume
        requeue | waits | queued/2 in running/0 | requeue replay resume_whole
        requeue | waits | cancelled/2 in cancelled/0 | cancel force_cancel cancel_whole force_cancel_whole
        requeue | waits | queued/2= in running/0 | pause
        requeue | waits | queued/2+5 in running/0 | reschedule
        requeue | waits | queued/2 in running/0 then waiting | submit_after
        requeue | waits | queued/2= in running/0= | pause_whole
        requeue | waits | queued/2+5 in running/0+5 | reschedule_whole
        replay | passes | running/1 in running/0 | claim claim_again heartbeat expire_leases promote_due
        replay | waits | running/1 in running/0 | append_logs retry resume reschedule replay resume_whole
        replay | waits | succeeded/1 in running/0 | report_attempt
        replay | waits | queued/1 in running/0 | report_failed
        replay | waits | running/1! in running/0 | cancel
        replay | waits | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        replay | waits | running/1= in running/0 | pause
        replay | waits | queued/2 in running/0 | requeue
        replay | waits | running/1 in running/0 then waiting | submit_after
        replay | waits | running/1! in running/0! | cancel_whole
        replay | waits | running/1= in running/0= | pause_whole
        replay | waits | running/1 in running/0+5 | reschedule_whole
        submit_after | passes | running/1 in running/0 then waiting | claim claim_again heartbeat expire_leases
        submit_after | passes | running/1 in running/0 then waiting | promote_due
        submit_after | waits | running/1 in running/0 then waiting | append_logs retry resume reschedule replay
        submit_after | waits | running/1 in running/0 then waiting | resume_whole
        submit_after | waits | succeeded/1 in running/0 then queued | report_attempt
        submit_after | waits | queued/1 in running/0 then waiting | report_failed
        submit_after | waits | running/1! in running/0 then waiting | cancel
        submit_after | waits | cancelled/2 in cancelled/0 then queued | force_cancel force_cancel_whole
        submit_after | waits | running/1= in running/0 then waiting | pause
        submit_after | waits | queued/2 in running/0 then waiting | requeue
        submit_after | passes | running/1 in running/0 then waiting waiting | submit_after
        submit_after | waits | running/1! in running/0! then waiting | cancel_whole
        submit_after | waits | running/1= in running/0= then waiting | pause_whole
        submit_after | waits | running/1 in running/0+5 then waiting | reschedule_whole
        cancel_whole | passes | running/1! in running/0! | claim claim_again heartbeat expire_leases promote_due
        cancel_whole | waits | running/1! in running/0! | append_logs retry cancel resume reschedule replay
        cancel_whole | waits | running/1! in running/0! | cancel_whole resume_whole
        cancel_whole | waits | succeeded/1 in cancelled/0 | report_attempt
        cancel_whole | waits | cancelled/1 in cancelled/0 | report_failed
        cancel_whole | waits | cancelled/2 in cancelled/0 | force_cancel requeue force_cancel_whole
        cancel_whole | waits | running/1!= in running/0! | pause
        cancel_whole | waits | running/1! in running/0! then waiting | submit_after
        cancel_whole | waits | running/1!= in running/0!= | pause_whole
        cancel_whole | waits | running/1! in running/0!+5 | reschedule_whole
        force_cancel_whole | passes | cancelled/2 in cancelled/0 | claim claim_again expire_leases promote_due
        force_cancel_whole | waits | cancelled/2 in cancelled/0 | heartbeat append_logs report_attempt report_failed
        force_cancel_whole | waits | cancelled/2 in cancelled/0 | retry cancel force_cancel pause resume reschedule
        force_cancel_whole | waits | cancelled/2 in cancelled/0 | requeue replay cancel_whole force_cancel_whole
        force_cancel_whole | waits | cancelled/2 in cancelled/0 | pause_whole resume_whole reschedule_whole
        force_cancel_whole | waits | cancelled/2 in cancelled/0 then queued | submit_after
        pause_whole | passes | running/1= in running/0= | claim claim_again heartbeat expire_leases promote_due
        pause_whole | waits | running/1= in running/0= | append_logs retry pause reschedule replay pause_whole
        pause_whole | waits | succeeded/1 in running/0= | report_attempt
        pause_whole | waits | queued/1= in running/0= | report_failed
        pause_whole | waits | running/1!= in running/0= | cancel
        pause_whole | waits | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        pause_whole | waits | running/1 in running/0= | resume
        pause_whole | waits | queued/2= in running/0= | requeue
        pause_whole | waits | running/1= in running/0= then waiting | submit_after
        pause_whole | waits | running/1!= in running/0!= | cancel_whole
        pause_whole | waits | running/1 in running/0 | resume_whole
        pause_whole | waits | running/1= in running/0=+5 | reschedule_whole
        resume_whole | passes | running/1 in running/0 | claim claim_again heartbeat expire_leases promote_due
        resume_whole | waits | running/1 in running/0 | append_logs retry resume reschedule replay resume_whole
        resume_whole | waits | succeeded/1 in running/0 | report_attempt
        resume_whole | waits | queued/1 in running/0 | report_failed
        resume_whole | waits | running/1! in running/0 | cancel
        resume_whole | waits | cancelled/2 in cancelled/0 | force_cancel force_cancel_whole
        resume_whole | waits | running/1= in running/0 | pause
        resume_whole | waits | queued/2 in running/0 | requeue
        resume_whole | waits | running/1 in running/0 then waiting | submit_after
        resume_whole | waits | running/1! in running/0! | cancel_whole
        resume_whole | waits | running/1= in running/0= | pause_whole
        resume_whole | waits | running/1 in running/0+5 | reschedule_whole
        reschedule_whole | passes | running/1 in running/0+5 | claim claim_again heartbeat expire_leases promote_due
        reschedule_whole | waits | running/1 in running/0+5 | append_logs retry resume reschedule replay resume_whole
        reschedule_whole | waits | running/1 in running/0+5 | reschedule_whole
        reschedule_whole | waits | succeeded/1 in running/0+5 | report_attempt
        reschedule_whole | waits | queued/1 in running/0+5 | report_failed
        reschedule_whole | waits | running/1! in running/0+5 | cancel
        reschedule_whole | waits | cancelled/2 in cancelled/0+5 | force_cancel force_cancel_whole
        reschedule_whole | waits | running/1= in running/0+5 | pause
        reschedule_whole | waits | queued/2 in running/0+5 | requeue
        reschedule_whole | waits | running/1 in running/0+5 then waiting | submit_after
        reschedule_whole | waits | running/1! in running/0!+5 | cancel_whole
        reschedule_whole | waits | running/1= in running/0=+5 | pause_whole
    """,
}
