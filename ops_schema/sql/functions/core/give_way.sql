-- Mutate and emit: cancel a run that does not run, for a new one in its place. Returns false when it runs: it stays.
create or replace function ops.give_way(p_token ops.tokens, p_run_id uuid) returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs := ops.lock_family(p_run_id);
begin
  if v_run.state in ('waiting', 'queued') then
    perform ops.cancel_family(v_run, 'replaced by a new submit with its dedupe key', false, 'operator:' || p_token.name);
  end if;
  return v_run.state <> 'running';
end
$$;
