-- Guard: the values of a new run that its CHECKs would refuse, said in words. Raises OPV01.
create or replace function ops.check_run(p_run ops.runs) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_run.max_attempts not between 1 and 100 then
    perform ops.invalid('/max_attempts', 'must be between 1 and 100');
  elsif p_run.lease_seconds not between 1 and 3600 then
    perform ops.invalid('/lease_seconds', 'must be between 1 and 3600');
  elsif p_run.condition not in ('all_success', 'all_done', 'at_least_one_success', 'none_failed',
      'at_least_one_failed', 'all_failed') then
    perform ops.fail('OPV05', format('there is no run condition %s', left(p_run.condition, 80)));
  end if;
end
$$;
