-- Percents in order, each once; those of a budget that names none. Raises OPV01.
create or replace function ops.thresholds_from(p_thresholds jsonb) returns int[]
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_thresholds, 'null') = 'null' then
    return '{50,80,100}';
  elsif jsonb_typeof(p_thresholds) <> 'array' or jsonb_array_length(p_thresholds) > 10 or exists (
      select from jsonb_array_elements(p_thresholds) t
       where jsonb_typeof(t) <> 'number' or t::text !~ '^[0-9]{1,4}$' or t::int not between 1 and 1000) then
    perform ops.invalid('/thresholds', 'must be up to ten whole numbers of percent, from 1 to 1000');
  end if;
  return array(select distinct t::int from jsonb_array_elements(p_thresholds) t order by 1);
end
$$;
