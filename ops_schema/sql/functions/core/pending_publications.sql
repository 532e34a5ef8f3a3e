-- For the reactor: publications of accepted reports that are not committed and whose executor has fallen silent (its
-- lease is past the deadline). Returns a list with all that a commit needs, oldest first. Locks nothing: committing is
-- idempotent by its marker. p_skip [[run_id, output]]: those that the caller knows and does not want.
create or replace function ops.pending_publications(p_limit int, p_skip jsonb default '[]') returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(d) order by d.recorded_at, d.run_id, d.output), '[]') from (
      select p.run_id, r.number, r.workspace, r.template_name, p.epoch, p.output, p.format, p.mode, p.uri, p.files,
             p.schema, p.rows, p.partition_by, p.app_id, p.app_version, ops.iso(p.recorded_at) as recorded_at,
             coalesce(t.spec -> 'connections', '[]') as connections
        from ops.publications p
        join ops.leases l on l.run_id = p.run_id and l.epoch = p.epoch
        join ops.runs r on r.run_id = p.run_id
        join ops.templates t on t.template_id = r.template_id
       where p.state = 'recorded' and l.reported_at is not null and l.lease_deadline < ops.now()
         and (p.run_id::text, p.output) not in (select s ->> 0, s ->> 1 from jsonb_array_elements(p_skip) s)
       order by p.recorded_at, p.run_id, p.output limit p_limit) d);
end
$$;
