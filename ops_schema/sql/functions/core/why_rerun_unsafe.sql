-- What to tell of a run in rerun_unsafe: what its template says about a rerun, or by what its executor writes.
create or replace function ops.why_rerun_unsafe(p_run ops.runs) returns text
language sql stable set search_path = ''
as $$
  select 'its attempt ended without success, and '
         || case t.spec ->> 'rerun'
              when 'checked' then 'its template wants a rerun to be checked, but there is no probe yet that checks it'
              when 'unsafe' then 'its template says that a rerun is unsafe'
              else format('nobody knows what it wrote by %L, which its executor does at least once; its template does '
                          'not say that a rerun is safe', ops.unfenced_path(p_run)) end
         || ': look at what it left behind, then retry or cancel it'
    from ops.templates t where t.template_id = p_run.template_id
$$;
