-- The queues of a claim's body; null means all.
create or replace function ops.claim_queues(p_body jsonb) returns text[]
language sql immutable parallel safe
return case when jsonb_typeof(p_body -> 'queues') = 'array'
            then array(select jsonb_array_elements_text(p_body -> 'queues')) end;
