-- Until when the artifacts of a run that ends now are kept, by its template's retention; null: for good.
create or replace function ops.kept_until(p_run_id uuid) returns timestamptz
language sql stable set search_path = ''
as $$
  select ops.now() + make_interval(days => (t.spec #>> '{retention,artifact_days}')::int)
    from ops.runs r join ops.templates t on t.template_id = r.template_id where r.run_id = p_run_id
$$;
