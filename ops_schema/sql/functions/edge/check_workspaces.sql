-- Refuse a list of workspace names that holds an unknown one (OPN07). Null, meaning all, passes.
create or replace function ops.check_workspaces(p_names text[]) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_unknown text;
begin
  select n into v_unknown from unnest(p_names) n
   where not exists (select from ops.workspaces w where w.workspace = n)
   order by n limit 1;
  if v_unknown is not null then
    perform ops.fail('OPN07', format('there is no workspace %L', v_unknown), jsonb_build_object('workspace', v_unknown),
      'Name one that `control-room workspaces ls` shows.');
  end if;
end
$$;
