-- Mutate and emit: a publication cannot be committed, so its run has failed; those not yet committed are given up too.
-- p_refused: the body of the commit, where one was told and not taken.
create or replace function ops.fail_output(
  p_publication ops.publications, p_error jsonb, p_actor text, p_refused jsonb default null)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update ops.publications p set
    state = 'failed', failed_at = ops.now(),
    refused = case when p.output = p_publication.output and p_refused is not null then jsonb_build_object(
                'table_version', (p_refused ->> 'table_version')::bigint, 'location', p_refused -> 'location') end,
    error = case when p.output = p_publication.output then p_error else jsonb_build_object('class', p_error -> 'class',
              'code', 'abandoned', 'message', format('output %s could not be published', p_publication.output)) end
   where p.run_id = p_publication.run_id and p.epoch = p_publication.epoch and p.state = 'recorded';
  perform ops.emit(p_publication.run_id, 'publication.failed', p_publication.epoch, p_actor,
    jsonb_build_object('output', p_publication.output, 'error', p_error - 'trace'));
  perform ops.finish_run(p_publication.run_id, 'failed', 'publication_failed', p_actor, p_error,
    (select a.result from ops.attempts a where a.run_id = p_publication.run_id and a.epoch = p_publication.epoch));
  perform ops.settle(array[p_publication.run_id], p_actor);
end
$$;
