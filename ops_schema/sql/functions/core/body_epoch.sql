-- Guard: the epoch of an attempt-side body, a whole number of at least 1. Raises OPV01.
create or replace function ops.body_epoch(p_body jsonb) returns bigint
language plpgsql immutable set search_path = ''
as $$
begin
  if jsonb_typeof(p_body -> 'epoch') is distinct from 'number' or (p_body ->> 'epoch') !~ '^[0-9]{1,18}$' then
    perform ops.fail('OPV01', 'epoch must be a whole number',
                     '{"errors": [{"path": "/epoch", "message": "must be a whole number"}]}',
                     'Send the epoch that the claim answered.');
  end if;
  return (p_body ->> 'epoch')::bigint;
end
$$;
