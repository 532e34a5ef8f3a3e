-- The smallest UUIDv7 of a moment: where a partition by time begins.
create or replace function ops.uuid7_floor(p_at timestamptz) returns uuid
language sql immutable set search_path = ''
as $$
  select (lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
