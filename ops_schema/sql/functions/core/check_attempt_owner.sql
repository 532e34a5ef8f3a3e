-- Guard: the run is of a workspace of the token, and the attempt (run, epoch), if there is one, belongs to an executor
-- that this token registered. Of a foreign run nothing is told, not that it is there. Raises OPN01, OPU02.
create or replace function ops.check_attempt_owner(p_token ops.tokens, p_run_id uuid, p_epoch bigint) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if exists (select from ops.runs r where r.run_id = p_run_id and r.workspace <> all ((p_token).workspaces)) then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  elsif exists (select from ops.attempts a join ops.executors e on e.executor_id = a.executor_id
              where a.run_id = p_run_id and a.epoch = p_epoch and e.token_id <> (p_token).token_id) then
    perform ops.fail('OPU02', format('epoch %s of run %s belongs to an executor of another token', p_epoch, p_run_id));
  end if;
end
$$;
