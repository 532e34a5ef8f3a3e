-- Mutate and emit: a step of the sweep (ops.sweep_each): a lease is past its deadline, and the run is taken from its
-- executor; see ops.take_back. The caller holds run and lease.
create or replace function ops.expire_one(p_run_id uuid, p_actor text) returns jsonb
language sql volatile set search_path = ''
as $$
  select ops.take_back(p_run_id, ops.expired_error(l.lease_deadline), p_actor, '{}', false)
    from ops.leases l where l.run_id = p_run_id
$$;
