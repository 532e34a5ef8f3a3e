-- One run with all that its page shows.
create or replace function ops.get_run(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_caller.token_id, p_ref);
  return ops.run_json(v_run) || jsonb_build_object(
    'template_digest', (select t.digest from ops.templates t where t.template_id = v_run.template_id),
    'retried_as', (select coalesce(jsonb_agg(r.number order by r.number), '[]') from ops.runs r
                    where r.retry_of = v_run.run_id),
    'attempts', ops.run_attempts(v_run.run_id),
    'depends_on', ops.run_parents(v_run.run_id),
    'publications', ops.run_publications(v_run),
    'children', (select coalesce(jsonb_agg(ops.run_json(c) order by c.number), '[]')
                   from ops.runs c where c.pipeline_run_id = v_run.run_id),
    'cap_ledger', (select coalesce(jsonb_agg(ops.cap_entry_json(l) order by l.entry_id), '[]')
                     from ops.cap_ledger l where l.run_id in (select ops.run_family(v_run))),
    'counts', (select jsonb_build_object('events', v_run.event_seq,
                        'children', (select coalesce(jsonb_object_agg(c.state, c.runs), '{}') from (
                          select r.state, count(*) as runs from ops.runs r
                           where r.pipeline_run_id = v_run.run_id group by r.state) c))));
end
$$;
