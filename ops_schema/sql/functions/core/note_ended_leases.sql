-- Trigger: leases that ended with something reserved are settled before this transaction commits.
create or replace function ops.note_ended_leases() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if exists (select from gone g where g.reserved is not null) then
    insert into ops.budget_dues (xid, leases)
    select pg_current_xact_id(), array_agg(row(g.run_id, g.epoch, g.usage, g.reserved)::ops.ended_lease) from gone g where g.reserved is not null;
  end if;
  return null;
end
$$;
