-- See ops.run_lineage: its inputs or outputs. p_side is `input` or `output`; the runs are those of the other side.
create or replace function ops.lineage_side(p_run ops.runs, p_side text, p_caller ops.tokens) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('namespace', d.namespace, 'name', d.name, 'version', nullif(d.version, ''),
           'runs', (select coalesce(jsonb_agg(jsonb_build_object('run_id', o.run_id, 'number', o.number,
                             'template_name', o.template_name) order by o.number desc), '[]')
                      from (select r.run_id, r.number, r.template_name
                              from ops.lineage_edges e join ops.runs r on r.run_id = e.run_id
                             where e.namespace = d.namespace and e.name = d.name and e.side <> p_side
                               and (d.version = '' or e.version = '' or e.version = d.version)
                               and ops.may_enter(p_caller, r.workspace)
                             order by r.number desc limit 50) o))
           order by d.namespace, d.name, d.version), '[]')
    from (select distinct e.namespace, e.name, e.version from ops.lineage_edges e
           where e.run_id in (select ops.run_family(p_run)) and e.side = p_side) d
$$;
