-- What a member of ops.submit_each is answered, as JSON text.
create or replace function ops.submitted_answer(p_run_id uuid, p_number bigint, p_state text, p_repeated boolean)
returns text
language sql immutable parallel safe
return '{"run_id": "' || p_run_id::text || '", "number": ' || p_number::text || ', "state": "' || p_state
       || '", "repeated": ' || p_repeated::text || '}';
