-- What a usage costs by the price list in force at a time; null when there was none. Prices of the kind stand before
-- those of "*".
create or replace function ops.cost_of(p_kind text, p_usage jsonb, p_at timestamptz) returns numeric
language sql stable set search_path = ''
as $$
  select (select coalesce(sum(ops.usage_number(p_usage, p.key) * p.value::numeric), 0)
            from jsonb_each_text(coalesce(l.prices -> '*', '{}') || coalesce(l.prices -> p_kind, '{}')) p)
    from ops.price_lists l where l.valid_from <= p_at order by l.valid_from desc, l.version desc limit 1
$$;
