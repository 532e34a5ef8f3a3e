-- A new price list: p_body {currency, prices: {kind or "*": {unit: price}}, valid_from?}. In force from its time on,
-- now when it names none; what has ended before keeps what it cost. Returns it. Raises OPU01, OPU02, OPV01.
create or replace function ops.put_prices(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator']);
  v_from   timestamptz := coalesce((p_body ->> 'valid_from')::timestamptz, ops.now());
  v_list   ops.price_lists;
begin
  perform ops.require_everywhere(p_token_id);
  perform ops.check_prices(p_body);
  if v_from < ops.now() then
    perform ops.invalid('/valid_from', 'must not lie in the past: what has ended keeps what it cost');
  end if;
  insert into ops.price_lists (valid_from, currency, prices, created_by)
  values (v_from, p_body ->> 'currency', p_body -> 'prices', v_caller.name) returning * into v_list;
  return ops.prices_json(v_list);
end
$$;
