-- Whether a run in this state is done for good.
create or replace function ops.is_terminal(p_state text) returns boolean
language sql immutable parallel safe
return p_state in ('succeeded', 'failed', 'cancelled', 'skipped');
