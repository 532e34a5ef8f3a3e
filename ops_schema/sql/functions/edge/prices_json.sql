-- A price list as people see it.
create or replace function ops.prices_json(p_list ops.price_lists) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('version', (p_list).version, 'valid_from', ops.iso((p_list).valid_from),
    'currency', (p_list).currency, 'prices', (p_list).prices, 'created_by', (p_list).created_by)
$$;
