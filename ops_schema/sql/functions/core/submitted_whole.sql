-- The Run behind an answer of ops.submit_each, with its `repeated`, as JSON text.
create or replace function ops.submitted_whole(p_detail text) returns text
language sql stable set search_path = ''
as $$
  select (ops.run_json((p_detail::jsonb ->> 'run_id')::uuid)
          || case when (p_detail::jsonb ->> 'repeated')::boolean then '{"repeated": true}'::jsonb else '{}' end)::text
$$;
