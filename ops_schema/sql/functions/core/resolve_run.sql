-- The run_id behind a reference: a run_id or a number, in a workspace that the token may see. p_token_id null: the
-- reactor, which sees all. Raises OPU01, OPN01 (also for a run of another workspace: its existence is not told).
create or replace function ops.resolve_run(p_token_id uuid, p_ref text) returns uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_workspaces text[];
  v_run_id     uuid;
begin
  if p_token_id is not null then
    v_workspaces := (ops.require(p_token_id, array['operator', 'viewer', 'executor'])).workspaces;
  end if;
  if p_ref ~ '^[0-9]{1,18}$' then
    select r.run_id into v_run_id from ops.runs r
     where r.number = p_ref::bigint and (v_workspaces is null or r.workspace = any (v_workspaces));
  elsif p_ref ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    select r.run_id into v_run_id from ops.runs r
     where r.run_id = p_ref::uuid and (v_workspaces is null or r.workspace = any (v_workspaces));
  end if;
  if v_run_id is null then
    perform ops.fail('OPN01', format('there is no run %s', left(p_ref, 80)), '{}',
                     'Give a run_id or a number, as `runs ls` shows them.');
  end if;
  return v_run_id;
end
$$;
