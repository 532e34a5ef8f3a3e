-- Guard: the chunks of appendLogs, each {stream, seq, offset, at, text}. Raises OPV01 with the first problem's path.
create or replace function ops.check_chunks(p_chunks jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_wrong record;
begin
  if jsonb_typeof(p_chunks) is distinct from 'array' then
    perform ops.invalid('/chunks', 'must be a list');
  end if;
  select c.ordinality - 1 as place, p.path, p.message into v_wrong
    from jsonb_array_elements(p_chunks) with ordinality c
   cross join lateral ops.chunk_problem(c.value) p
   where p.message is not null
   order by c.ordinality limit 1;
  if v_wrong.message is not null then
    perform ops.invalid(format('/chunks/%s%s', v_wrong.place, v_wrong.path), v_wrong.message);
  end if;
end
$$;
