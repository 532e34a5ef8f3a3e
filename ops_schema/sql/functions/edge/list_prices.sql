-- The price lists, the newest first: {items}. Raises OPU01, OPU02.
create or replace function ops.list_prices(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['operator', 'viewer']);
  return jsonb_build_object('items', (select coalesce(jsonb_agg(ops.prices_json(l) order by l.valid_from desc, l.version desc), '[]')
                                        from ops.price_lists l));
end
$$;
