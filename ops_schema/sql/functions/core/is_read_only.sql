-- Whether the run's template promises that it writes nothing, which its executor holds it to.
create or replace function ops.is_read_only(p_run ops.runs) returns boolean
language sql stable set search_path = ''
as $$
  select coalesce(t.spec #> '{config,read_only}' = 'true', false)
    from ops.templates t where t.template_id = p_run.template_id
$$;
