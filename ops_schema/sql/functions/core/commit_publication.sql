-- commitPublication by an executor; see ops.publish, which takes no token only from the reactor.
create or replace function ops.commit_publication(p_token_id uuid, p_run_id uuid, p_output text, p_body jsonb)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['executor']);
  return ops.publish(p_token_id, p_run_id, p_output, p_body);
end
$$;
