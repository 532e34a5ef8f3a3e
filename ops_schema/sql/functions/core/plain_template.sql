-- What a template gives each of its runs, read once for all of them; no row when its runs are made one by one: a
-- pipeline, a concurrency key, an output whose path depends on parameters, a budget that refuses, one that reuses.
create or replace function ops.plain_template(p_workspace text, p_name text, p_version int)
returns table (
  template_id uuid, name text, version int, digest text, kind text, defaults jsonb, required text[], outputs jsonb,
  labels jsonb, caps jsonb, cap_rules jsonb, max_attempts int, lease_seconds int, requires jsonb, priority int,
  queue text)
language plpgsql stable set search_path = ''
as $$
declare
  v_template ops.templates;
  v_spec     jsonb;
begin
  select * into v_template from ops.templates t
   where t.workspace = p_workspace and t.name = p_name and (p_version is null or t.version = p_version)
   order by t.version desc limit 1;
  v_spec := v_template.spec;
  if v_spec is null or v_template.kind = 'pipeline' or v_spec ->> 'reuse' = 'same_inputs' or coalesce(v_spec -> 'concurrency', 'null') <> 'null'
     or not ops.has_fixed_outputs(v_spec -> 'outputs')
     or exists (select from ops.budgets_of(p_workspace, p_name) b where b.policy = 'refuse') then
    return;
  end if;
  return query select v_template.template_id, v_template.name, v_template.version, v_template.digest, v_template.kind,
    coalesce((select jsonb_object_agg(p.key, p.value -> 'default')
                from jsonb_each(case when jsonb_typeof(v_spec #> '{params_schema,properties}') = 'object'
                                     then v_spec #> '{params_schema,properties}' end) p
               where jsonb_typeof(p.value) = 'object' and p.value ? 'default'), '{}'),
    array(select jsonb_array_elements_text(case when jsonb_typeof(v_spec #> '{params_schema,required}') = 'array'
                                                then v_spec #> '{params_schema,required}' end)),
    ops.planned_outputs(p_workspace, v_spec, '{}'), coalesce(nullif(v_spec -> 'labels', 'null'), '{}'),
    ops.effective_caps(p_workspace, p_name, ops.cap_limits(v_spec -> 'caps')), ops.cap_rules(v_spec -> 'caps'),
    coalesce((v_spec #>> '{retry,max_attempts}')::int, 3),
    coalesce((v_spec ->> 'lease_seconds')::int, ops.setting_number('lease_seconds')::int),
    ops.planned_requires(v_spec), coalesce((v_spec ->> 'priority')::int, 0),
    coalesce(v_spec ->> 'queue', 'default');
end
$$;
