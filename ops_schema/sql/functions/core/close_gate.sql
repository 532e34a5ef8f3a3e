-- Lock: no claim is under way from here until the transaction ends; see ops.pass_gate. A verb's first lock.
create or replace function ops.close_gate() returns void
language sql volatile
return pg_advisory_xact_lock(hashtextextended('ops.claims', 0));
