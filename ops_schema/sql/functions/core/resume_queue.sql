-- Resume a queue; its runs stand where they stood. Resuming a queue that is not paused is no error.
-- Returns the Queue. Raises OPU01, OPU02 (the token opens some workspaces only).
create or replace function ops.resume_queue(p_token_id uuid, p_queue text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token ops.tokens := ops.require_everywhere(p_token_id);
begin
  delete from ops.queue_pauses where queue = p_queue;
  if found then
    perform ops.notify_ready(null);
  end if;
  return ops.queue_json(p_queue, v_token.workspaces);
end
$$;
