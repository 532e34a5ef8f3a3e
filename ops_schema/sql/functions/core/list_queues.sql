-- The queues that runs have stood in lately (claim_floor_empty_seconds) or that are paused, by name. Returns {items:
-- [Queue]}. Raises OPU01, OPU02.
create or replace function ops.list_queues(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object('items', (
    select coalesce(jsonb_agg(ops.queue_json(q.queue, v_caller.workspaces) order by q.queue), '[]')
      from (select f.queue from ops.queue_floors f union select u.queue from ops.queue_pauses u) q));
end
$$;
