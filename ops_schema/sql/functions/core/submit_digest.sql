-- What identifies a submit: its body as it was sent, without what the server found when it checked it.
create or replace function ops.submit_digest(p_body jsonb) returns bytea
language sql stable parallel safe
return ops.digest(p_body - 'checked');
