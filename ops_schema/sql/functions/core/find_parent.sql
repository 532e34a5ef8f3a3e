-- The run behind a reference, a run_id or a number, when the token may see it; else a row of nulls.
create or replace function ops.find_parent(p_token ops.tokens, p_ref text) returns ops.runs
language plpgsql stable set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  if p_ref ~ '^[0-9]{1,18}$' then
    select * into v_run from ops.runs r where r.number = p_ref::bigint;
  elsif p_ref ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    select * into v_run from ops.runs r where r.run_id = p_ref::uuid;
  end if;
  if v_run.workspace <> all (p_token.workspaces) then
    return null;
  end if;
  return v_run;
end
$$;
