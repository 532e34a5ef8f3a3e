-- What to tell of a run in rerun_unsafe: what its template says about a rerun.
create or replace function ops.why_rerun_unsafe(p_template_id uuid) returns text
language sql stable set search_path = ''
as $$
  select 'its attempt ended without success, and '
         || case t.spec ->> 'rerun'
              when 'checked' then 'its template wants a rerun to be checked, but there is no probe yet that checks it'
              else 'its template says that a rerun is unsafe' end
         || ': look at what it left behind, then retry or cancel it'
    from ops.templates t where t.template_id = p_template_id
$$;
