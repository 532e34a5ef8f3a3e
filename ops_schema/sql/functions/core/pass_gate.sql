-- Lock: a claim passes the gate, before it locks or reads anything else, and stands in it until its transaction ends.
-- Whoever pauses a queue or an executor closes the gate (ops.close_gate) and so waits for the claims under way; those
-- that come later wait for the pause and then see it. Claims never wait for each other here.
create or replace function ops.pass_gate() returns void
language sql volatile
return pg_advisory_xact_lock_shared(hashtextextended('ops.claims', 0));
