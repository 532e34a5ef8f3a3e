-- Mutate and emit: cancel a run that does not run, for a new one in its place. Returns false when it runs: it stays.
create or replace function ops.give_way(p_token ops.tokens, p_run_id uuid) returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_state text;
begin
  -- children in run-id order, then the pipeline, as ops.cancel_run locks them
  perform from ops.runs r where r.pipeline_run_id = p_run_id order by r.run_id for update;
  select r.state into v_state from ops.runs r where r.run_id = p_run_id for update;
  if v_state in ('waiting', 'queued') then
    perform ops.cancel_run(p_token.token_id, p_run_id::text, '{"reason": "replaced by a new submit with its dedupe key"}');
  end if;
  return v_state <> 'running';
end
$$;
