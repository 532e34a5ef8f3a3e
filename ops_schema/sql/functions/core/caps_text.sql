-- ops.caps_met as words; null when there are none.
create or replace function ops.caps_text(p_caps jsonb) returns text
language sql immutable parallel safe set search_path = ''
as $$
  select string_agg(format('%s reached %s, its limit is %s', c ->> 'cap', c ->> 'observed', c ->> 'limit'), '; ')
    from jsonb_array_elements(p_caps) c
$$;
