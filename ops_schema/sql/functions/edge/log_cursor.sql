-- Where a reader of a run's logs stands: (epoch, stream, seq) read last, from the text 'epoch:stream:seq,...' that the
-- former page answered as `next`. One entry per stream, because streams grow side by side.
create or replace function ops.log_cursor(p_after text) returns table (epoch bigint, stream text, seq bigint)
language plpgsql immutable set search_path = ''
as $$
begin
  if p_after !~ '^([0-9]{1,18}:[a-z][a-z0-9_.-]{0,62}:[0-9]{1,18}(,|$))*$' then
    perform ops.invalid('/after', 'must be what a former page answered as `next`', 'Start again without it.');
  end if;
  return query
    select split_part(part, ':', 1)::bigint, split_part(part, ':', 2), split_part(part, ':', 3)::bigint
      from unnest(string_to_array(p_after, ',')) part where part <> '';
end
$$;
