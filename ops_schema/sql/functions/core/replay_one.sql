-- Guard, then mutate and emit: a new run for one dead letter. Returns its run_id. Raises OPC05, OPX01.
create or replace function ops.replay_one(p_token ops.tokens, p_run_id uuid) returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_later record;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id for update;
  select r.run_id, r.number into v_later from ops.runs r where r.retry_of = p_run_id order by r.number limit 1;
  if v_run.state <> 'failed' then
    perform ops.fail('OPC05', format('run %s %s %s', v_run.number,
        case when v_run.state = 'succeeded' then 'has' when ops.is_terminal(v_run.state) then 'was' else 'is' end,
        v_run.state), jsonb_build_object('state', v_run.state),
                     'Only failed runs are replayed; see `control-room runs dead`.');
  elsif v_run.pipeline_run_id is not null then
    perform ops.fail('OPC05', format('run %s is a task of a pipeline run', v_run.number),
      jsonb_build_object('state', v_run.state, 'pipeline_run_id', v_run.pipeline_run_id), 'Replay the pipeline run.');
  elsif v_later.run_id is not null then
    perform ops.fail('OPC05', format('run %s was retried already, as run %s', v_run.number, v_later.number),
      jsonb_build_object('state', v_run.state, 'run_id', v_later.run_id, 'number', v_later.number),
      format('Look at run %s.', v_later.number));
  end if;
  perform ops.check_not_retried(v_run);
  return ops.rerun(v_run, null, jsonb_build_object(
    'workspace', v_run.workspace, 'submitted_by', p_token.name, 'retry_of', p_run_id,
    'digest', encode(ops.digest(jsonb_build_object('retry_of', p_run_id)), 'hex')));
end
$$;
