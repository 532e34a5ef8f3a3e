-- One of ops.full_budgets as words.
create or replace function ops.budget_text(p_full jsonb) returns text
language sql immutable parallel safe set search_path = ''
as $$
  select format('%s has %s of %s %s %s left, this run is expected to take %s',
    case p_full ->> 'scope' when 'platform' then 'the platform' when 'workspace' then 'workspace ' || (p_full ->> 'workspace')
         else format('template %s of workspace %s', p_full ->> 'template_name', p_full ->> 'workspace') end,
    trim_scale(greatest(0, (p_full ->> 'limit')::numeric - (p_full ->> 'used')::numeric
                           - (p_full ->> 'reserved')::numeric)),
    trim_scale((p_full ->> 'limit')::numeric), p_full ->> 'unit',
    case p_full ->> 'period' when 'total' then 'in all' else 'a ' || (p_full ->> 'period') end,
    trim_scale((p_full ->> 'estimate')::numeric))
$$;
