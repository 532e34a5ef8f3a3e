-- A UUIDv7: 48 bits of Unix milliseconds, 12 bits of the fraction of that millisecond, 62 random bits.
-- Our own, because PostgreSQL has one only from 18 on. The real clock, not ops.now(): identity is not a state.
create or replace function ops.uuid7() returns uuid
language plpgsql volatile parallel safe set search_path = ''
as $$
declare
  v_us    bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  v_bytes bytea  := uuid_send(gen_random_uuid());
  v_frac  int    := ((v_us % 1000) * 4096 / 1000)::int;
begin
  v_bytes := overlay(v_bytes placing substring(int8send(v_us / 1000) from 3) from 1 for 6);
  v_bytes := set_byte(set_byte(v_bytes, 6, 112 | (v_frac >> 8)), 7, v_frac & 255);
  return encode(v_bytes, 'hex')::uuid;
end
$$;
