-- A run's events after a sequence number, in order, each with the hashes of its chain.
create or replace function ops.run_events(p_token_id uuid, p_ref text, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run_id uuid   := ops.resolve_run(v_caller.token_id, p_ref);
  v_after  bigint := coalesce((p_filters ->> 'after_seq')::bigint, 0);
  v_limit  int    := ops.page_limit(p_filters, 500, 5000);
begin
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(e.canonical::jsonb || jsonb_build_object(
             'hash', encode(e.hash, 'hex'), 'prev_hash', encode(e.prev_hash, 'hex')) order by e.seq)
      from (select * from ops.events v where v.run_id = v_run_id and v.seq > v_after order by v.seq limit v_limit) e),
    '[]'));
end
$$;
