-- Guard: the value of a setting that is a number: whole, from 1 to what its readers can bear; a lease from 10 s, as
-- templates have it, so that one heartbeat that comes late loses no run.
-- Raises OPV01.
create or replace function ops.check_number_setting(p_key text, p_value jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_least numeric := case p_key when 'lease_seconds' then 10 else 1 end;
  v_most numeric := case p_key when 'lease_seconds' then 3600 when 'claim_wait_seconds' then 60
                               when 'log_chunk_bytes' then 1048576 when 'partitions_ahead' then 120
                               when 'max_expirations' then 100
                               when 'events_kept_months' then 1200 when 'logs_kept_months' then 1200 else 31536000 end;
begin
  if jsonb_typeof(p_value) is distinct from 'number' or p_value::numeric not between v_least and v_most
     or p_value::numeric <> floor(p_value::numeric) then
    perform ops.invalid('/value', format('must be a whole number from %s to %s', v_least, v_most));
  end if;
end
$$;
