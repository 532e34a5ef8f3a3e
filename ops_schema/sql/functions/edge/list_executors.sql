-- The executors seen lately (a week), most recent first, with what each is running.
create or replace function ops.list_executors(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['operator', 'viewer']);
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(ops.executor_json(e) order by e.last_seen_at desc, e.number desc)
      from (select * from ops.executors x where x.last_seen_at > ops.now() - interval '7 days'
             order by x.last_seen_at desc limit 500) e),
    '[]'));
end
$$;
