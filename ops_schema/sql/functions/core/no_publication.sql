-- Refuse a commit that no accepted report asked for: OPN01 (no such run), OPC01 (a stale epoch), OPN05.
create or replace function ops.no_publication(p_run_id uuid, p_epoch bigint, p_output text) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if not exists (select from ops.attempts a where a.run_id = p_run_id and a.epoch = p_epoch
      and a.reported_at is not null)
     and not exists (select from ops.leases l where l.run_id = p_run_id and l.epoch = p_epoch) then
    perform ops.lease_lost(p_run_id, p_epoch);
  end if;
  perform ops.fail('OPN05', format('no accepted report of epoch %s names output %s', p_epoch, left(p_output, 80)), '{}',
                   'Report the attempt first; its answer lists the publications.');
end
$$;
