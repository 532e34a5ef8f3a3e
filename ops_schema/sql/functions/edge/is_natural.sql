-- Whether a JSON value is a whole number from 0 on that fits a bigint (the snapshot ids of Iceberg use all of it).
create or replace function ops.is_natural(p_value jsonb) returns boolean
language sql immutable set search_path = ''
as $$
  select case when jsonb_typeof(p_value) is not distinct from 'number' and p_value #>> '{}' ~ '^[0-9]{1,19}$'
              then (p_value #>> '{}')::numeric <= 9223372036854775807 else false end
$$;
