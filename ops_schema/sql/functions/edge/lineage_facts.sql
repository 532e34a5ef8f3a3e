-- What happened to runs since the last look and is told as lineage: {cursor, next, items: [fact]}, in the order of the
-- events. ops.record_lineage takes what was made of it, with both cursors.
create or replace function ops.lineage_facts(p_limit int) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_cursor text := coalesce((select d.place from ops.duties d where d.name = 'lineage'),
                            '0.00000000-0000-0000-0000-000000000000.0');
  v_page   jsonb := ops.events_since(v_cursor, p_limit);
begin
  return jsonb_build_object('cursor', v_cursor, 'next', v_page -> 'cursor', 'items', (
    select coalesce(jsonb_agg(ops.lineage_fact(e.value) order by e.n), '[]')
      from jsonb_array_elements(v_page -> 'items') with ordinality e (value, n)
     where e.value ->> 'type' in ('run.started', 'run.publishing', 'run.retry_scheduled', 'run.succeeded', 'run.failed',
                                  'run.cancelled', 'run.skipped')));
end
$$;
