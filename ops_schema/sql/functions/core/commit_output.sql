-- Mutate and emit: a publication is committed; with the last one its run has succeeded.
create or replace function ops.commit_output(p_publication ops.publications, p_body jsonb, p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update ops.publications set
    state = 'committed', committed_at = ops.now(), table_version = (p_body ->> 'table_version')::bigint,
    location = p_body ->> 'location', rows = coalesce((p_body ->> 'rows')::bigint, rows)
   where run_id = p_publication.run_id and epoch = p_publication.epoch and output = p_publication.output;
  perform ops.emit(p_publication.run_id, 'publication.committed', p_publication.epoch, p_actor, jsonb_build_object(
      'output', p_publication.output, 'uri', p_publication.uri, 'table_version', (p_body ->> 'table_version')::bigint)
    || case when p_body ->> 'location' is null then '{}' else jsonb_build_object('location', p_body -> 'location') end);
  if not exists (select from ops.publications p
                  where p.run_id = p_publication.run_id and p.epoch = p_publication.epoch and p.state = 'recorded') then
    perform ops.finish_run(p_publication.run_id, 'succeeded', null, p_actor, null,
      (select a.result from ops.attempts a where a.run_id = p_publication.run_id and a.epoch = p_publication.epoch));
    perform ops.settle(array[p_publication.run_id], p_actor);
  end if;
end
$$;
