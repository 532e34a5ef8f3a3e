-- Pause a queue: when this has answered, no run of it starts until it is resumed; what runs goes on. Concerns all
-- workspaces. Pausing a paused queue again is no error: who paused it first stays.
--   p_body {reason?}
-- Returns the Queue. Raises OPU01, OPU02 (the token opens some workspaces only), OPV01.
create or replace function ops.pause_queue(p_token_id uuid, p_queue text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require_everywhere(p_token_id);
  v_reason text       := ops.checked_reason(p_body);
begin
  if length(p_queue) not between 1 and 63 then
    perform ops.invalid('/queue', 'must have 1 to 63 characters');
  end if;
  perform ops.close_gate();
  insert into ops.queue_pauses (queue, paused_at, paused_by, paused_reason)
  values (p_queue, ops.now(), v_token.name, v_reason) on conflict (queue) do nothing;
  return ops.queue_json(p_queue, v_token.workspaces);
end
$$;
