-- Refuse an artifact that would take its attempt over the cap artifact_bytes or artifact_count: OPX01. The caller holds
-- the run's lock.
create or replace function ops.check_artifact_bytes(p_new ops.artifacts) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_limit    bigint := ops.cap_in_force(p_new.run_id, 'artifact_bytes');
  v_most     bigint := ops.cap_in_force(p_new.run_id, 'artifact_count');
  v_observed bigint;
  v_count    bigint;
begin
  select coalesce(sum(a.size), 0) + coalesce(p_new.size, 0), count(*) + 1 into v_observed, v_count
    from ops.artifacts a where a.run_id = p_new.run_id and a.epoch = p_new.epoch;
  if v_observed > v_limit then
    perform ops.fail('OPX01',
      format('the artifacts of run %s would reach %s bytes, their cap is %s', p_new.run_id, v_observed, v_limit),
      jsonb_build_object('cap', 'artifact_bytes', 'limit', v_limit, 'observed', v_observed),
      'Upload less, or have the cap raised.');
  elsif v_count > v_most then
    perform ops.fail('OPX01', format('run %s would have %s artifacts, their cap is %s', p_new.run_id, v_count, v_most),
      jsonb_build_object('cap', 'artifact_count', 'limit', v_most, 'observed', v_count),
      'Upload fewer, or have the cap raised.');
  end if;
end
$$;
