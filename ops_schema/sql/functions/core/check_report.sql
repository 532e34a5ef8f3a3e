-- Guard: the shape of a report. Raises OPV01.
create or replace function ops.check_report(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_outcome text := coalesce(p_body ->> 'outcome', '');
begin
  perform ops.body_epoch(p_body);
  if v_outcome not in ('succeeded', 'failed', 'cancelled', 'capped') then
    perform ops.invalid('/outcome', 'must be succeeded, failed, cancelled or capped');
  elsif jsonb_typeof(p_body -> 'idempotency_key') is distinct from 'string'
        or length(p_body ->> 'idempotency_key') not between 1 and 200 then
    perform ops.invalid('/idempotency_key', 'must be text of 1 to 200 characters');
  elsif v_outcome in ('failed', 'capped') then
    perform ops.check_error(p_body -> 'error');
  end if;
  if v_outcome <> 'succeeded' and coalesce(nullif(p_body -> 'publications', 'null'), '[]') <> '[]' then
    perform ops.invalid('/publications', 'only a succeeded attempt publishes');
  end if;
end
$$;
