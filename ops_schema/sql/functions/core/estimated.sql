-- What one attempt of a template is expected to use of a unit: the median of its last attempts plus half of what lies
-- between the quarters (five and more of them), else what the template declares, else the run's cap, else the mean of
-- what is known, else nothing. A run is one run.
--   p_declared  the template's `estimate` {unit: number}; p_caps the run's caps
create or replace function ops.estimated(p_unit text, p_samples numeric[], p_declared jsonb, p_caps jsonb)
returns numeric
language sql immutable set search_path = ''
as $$
  select case
    when p_unit in ('runs', 'concurrency') then 1
    when cardinality(p_samples) >= 5 then (
      select round((percentile_cont(0.5) within group (order by s)
                    + (percentile_cont(0.75) within group (order by s)
                       - percentile_cont(0.25) within group (order by s)) / 2)::numeric, 6)
        from unnest(p_samples) s)
    else coalesce(ops.usage_number(p_declared, p_unit), ops.usage_number(p_caps, p_unit),
                  (select avg(s) from unnest(p_samples) s), 0) end
$$;
