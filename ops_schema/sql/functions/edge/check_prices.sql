-- Guard: prices are numbers from 0 for units of usage, by kinds. Raises OPV01.
create or replace function ops.check_prices(p_body jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_kind  text;
  v_price record;
begin
  if coalesce(p_body ->> 'currency', '') !~ '^[A-Za-z][A-Za-z0-9 ]{0,15}$' then
    perform ops.invalid('/currency', 'must be a short name, such as EUR or credits');
  elsif coalesce(jsonb_typeof(p_body -> 'prices'), '') <> 'object' then
    perform ops.invalid('/prices', 'must be an object of kinds');
  end if;
  for v_kind in select jsonb_object_keys(p_body -> 'prices') loop
    if v_kind <> '*' and not ops.setting('kinds') ? v_kind then
      perform ops.invalid('/prices/' || v_kind, 'is no executor kind here', 'Use a kind, or "*" for any.');
    elsif jsonb_typeof(p_body -> 'prices' -> v_kind) <> 'object' then
      perform ops.invalid('/prices/' || v_kind, 'must be an object of units');
    end if;
    for v_price in select * from jsonb_each(p_body -> 'prices' -> v_kind) loop
      if not ops.budget_units() - 'cost' - 'concurrency' - 'runs' ? v_price.key then
        perform ops.invalid(format('/prices/%s/%s', v_kind, v_price.key), 'is no unit that is measured',
          'Use one of ' || array_to_string(ops.text_array(ops.budget_units() - 'cost' - 'concurrency' - 'runs', 'units'), ', ') || '.');
      elsif jsonb_typeof(v_price.value) <> 'number' or v_price.value::text::numeric not between 0 and 1e12 then
        perform ops.invalid(format('/prices/%s/%s', v_kind, v_price.key), 'must be a number from 0');
      end if;
    end loop;
  end loop;
end
$$;
