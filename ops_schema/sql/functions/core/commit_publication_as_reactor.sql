-- commitPublication by the reactor, for an executor that died after its report; see ops.publish.
create or replace function ops.commit_publication_as_reactor(p_run_id uuid, p_output text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.publish(null, p_run_id, p_output, p_body);
end
$$;
