-- Store what was made of ops.lineage_facts, and move on: p_body {cursor, next, events: [{run_id, seq, event_type, body,
-- edges: [{side, namespace, name, version}]}], keep}. keep: nobody is told, they are kept. False, and nothing is
-- stored, when another process has moved on from this cursor.
create or replace function ops.record_lineage(p_body jsonb) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_place text;
begin
  select d.place into v_place from ops.duties d where d.name = 'lineage' for update;
  if coalesce(v_place, '0.00000000-0000-0000-0000-000000000000.0') <> p_body ->> 'cursor' then
    return false;
  end if;
  insert into ops.lineage (run_id, event_seq, event_type, body, state, made_at, settled_at)
  select (e.value ->> 'run_id')::uuid, (e.value ->> 'seq')::bigint, e.value ->> 'event_type', e.value -> 'body',
         case when (p_body ->> 'keep')::boolean then 'kept' else 'pending' end, ops.now(),
         case when (p_body ->> 'keep')::boolean then ops.now() end
    from jsonb_array_elements(p_body -> 'events') with ordinality e (value, n) order by e.n
  on conflict (run_id, event_seq) do nothing;
  insert into ops.lineage_edges (run_id, side, namespace, name, version)
  select (e.value ->> 'run_id')::uuid, d ->> 'side', d ->> 'namespace', d ->> 'name', coalesce(d ->> 'version', '')
    from jsonb_array_elements(p_body -> 'events') e cross join lateral jsonb_array_elements(e.value -> 'edges') d
  on conflict do nothing;
  update ops.duties set place = p_body ->> 'next', ran_at = ops.now() where name = 'lineage';
  return true;
end
$$;
