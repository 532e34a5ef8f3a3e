-- Guard: as ops.hold_unreported, without its lock: for verbs that only read, and may be answered as of a moment ago.
create or replace function ops.check_unreported(p_token_id uuid, p_run_id uuid, p_epoch bigint) returns void
language plpgsql stable set search_path = ''
as $$
begin
  perform ops.check_attempt_owner(ops.require(p_token_id, array['executor']), p_run_id, p_epoch);
  if not exists (select from ops.leases l
                  where l.run_id = p_run_id and l.epoch = p_epoch and l.reported_at is null) then
    perform ops.lease_lost(p_run_id, p_epoch);
  end if;
end
$$;
