-- Why (run, epoch) holds no lease: terminal (its own report was accepted), cancelled (revoked by a forced cancel),
-- expired (revoked by the sweeper, and nobody holds the run now), superseded (somebody else holds or held it, or the
-- epoch was never given out).
create or replace function ops.lost_reason(p_run ops.runs, p_epoch bigint) returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_attempt ops.attempts;
begin
  select * into v_attempt from ops.attempts a where a.run_id = (p_run).run_id and a.epoch = p_epoch;
  return case
    when v_attempt.reported_at is not null then 'terminal'
    when v_attempt.outcome = 'cancelled' then 'cancelled'
    when v_attempt.outcome = 'expired' and (p_run).epoch = p_epoch + 1 then 'expired'
    else 'superseded'
  end;
end
$$;
