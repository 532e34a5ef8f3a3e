-- Publish: one output of an accepted report has been committed to its table, or cannot be. p_token_id null: the
-- reactor, which commits for an executor that died.
--   p_body {epoch, state: committed, table_version, rows, location?} or {epoch, state: failed, error}
-- Idempotent: the same again gets the same answer, also where a commit was told and refused (ops.foreign_location), as
-- the reactor and a slow executor both come with it. When the last one is committed the run has succeeded; one that
-- fails fails the run. Returns {run_id, output, state, table_version, run_state}.
-- Raises OPU01, OPU02, OPN01, OPN05, OPV01, OPC01 (stale epoch), OPC07 (something else is on record).
create or replace function ops.publish(p_token_id uuid, p_run_id uuid, p_output text, p_body jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_epoch bigint := ops.body_epoch(p_body);
  v_found ops.publications;
  v_actor text   := 'reactor';
  v_error jsonb;
begin
  perform ops.check_publish(p_body);
  if p_token_id is not null then
    v_actor := 'executor:' || (ops.require(p_token_id, array['executor'])).name;
  end if;
  perform from ops.runs r where r.run_id = p_run_id for update;
  if p_token_id is not null then
    perform ops.check_attempt_owner(ops.require(p_token_id, array['executor']), p_run_id, v_epoch);
  end if;
  select * into v_found from ops.publications p
   where p.run_id = p_run_id and p.epoch = v_epoch and p.output = p_output;

  perform ops.gather_ready(true);
  if v_found.run_id is null then
    perform ops.no_publication(p_run_id, v_epoch, p_output);
  elsif v_found.state = 'recorded' and p_body ->> 'state' = 'committed' then
    perform ops.check_location(v_found, p_body ->> 'location');
    v_error := ops.foreign_location(v_found, p_body ->> 'location');
    if v_error is null then
      perform ops.commit_output(v_found, p_body, v_actor);
    else
      perform ops.fail_output(v_found, v_error, v_actor, p_body);
    end if;
  elsif v_found.state = 'recorded' then
    perform ops.fail_output(v_found, p_body -> 'error', v_actor);
  elsif not ops.is_settled_so(v_found, p_body) then
    perform ops.fail('OPC07', format('output %s of run %s is on record as %s%s', p_output, p_run_id, v_found.state,
        coalesce(', table version ' || v_found.table_version, '')),
      jsonb_build_object('state', v_found.state, 'table_version', v_found.table_version), 'What is on record stands.');
  end if;
  perform ops.notify_gathered();
  return (select jsonb_build_object('run_id', p.run_id, 'output', p.output, 'state', p.state,
                                    'table_version', p.table_version, 'run_state', r.state)
            from ops.publications p join ops.runs r on r.run_id = p.run_id
           where p.run_id = p_run_id and p.epoch = v_epoch and p.output = p_output);
end
$$;
