-- Refuse a stale epoch: raises OPC01 with {run_id, epoch_sent, epoch_current, reason, run_state}, or OPN01.
-- The caller holds the run's or the lease's lock, unless it only reads.
create or replace function ops.lease_lost(p_run_id uuid, p_epoch bigint) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_run    ops.runs;
  v_reason text;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  if v_run.run_id is null then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  end if;
  v_reason := ops.lost_reason(v_run, p_epoch);
  perform ops.fail('OPC01',
    format('run %s: epoch %s no longer holds the lease (%s); the current epoch is %s',
           v_run.number, p_epoch, v_reason, v_run.epoch),
    jsonb_build_object('run_id', p_run_id, 'epoch_sent', p_epoch, 'epoch_current', v_run.epoch,
                       'reason', v_reason, 'run_state', v_run.state),
    'Stop this attempt and throw its output away.');
end
$$;
