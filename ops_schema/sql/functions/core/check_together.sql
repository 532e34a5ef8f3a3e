-- Guard: fields of a submit that mean nothing without another. Raises OPV01, OPV05.
create or replace function ops.check_together(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_body -> 'depends_on', 'null') = 'null' then
    if p_body ->> 'condition' is not null then
      perform ops.dependency_invalid('/condition', 'has no effect without depends_on', 'Name the runs to wait for.');
    end if;
  elsif jsonb_typeof(p_body -> 'depends_on') <> 'array' or jsonb_array_length(p_body -> 'depends_on') not between 1
        and 100 then
    perform ops.dependency_invalid('/depends_on', 'must list 1 to 100 runs');
  end if;
  if p_body ->> 'on_conflict' not in ('error', 'return', 'replace') then
    perform ops.invalid('/on_conflict', 'must be error, return or replace');
  elsif p_body ->> 'on_conflict' is not null and p_body ->> 'dedupe_key' is null then
    perform ops.invalid('/on_conflict', 'has no effect without dedupe_key', 'Give a dedupe_key, or leave it out.');
  end if;
end
$$;
