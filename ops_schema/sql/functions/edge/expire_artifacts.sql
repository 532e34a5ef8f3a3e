-- The retention's look: artifacts over their time are expired, at most p_limit, unless their run is held, or a run
-- that has not ended waits for theirs. Their rows stay, with digest and size; the collector takes the bytes.
-- Returns how many.
create or replace function ops.expire_artifacts(p_limit int) returns int
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_count int;
begin
  with over as (
    select a.artifact_id from ops.artifacts a
     where a.state = 'visible' and a.expires_at <= ops.now()
       and not exists (select from ops.legal_holds h join ops.runs r on r.run_id = a.run_id
                        where h.released_at is null and h.run_id in (a.run_id, r.pipeline_run_id))
       and not exists (select from ops.run_dependencies d join ops.runs c on c.run_id = d.run_id
                        where d.depends_on = a.run_id and not ops.is_terminal(c.state))
     order by a.expires_at limit p_limit for update skip locked
  )
  update ops.artifacts a set state = 'expired', expired_at = ops.now() from over o where a.artifact_id = o.artifact_id;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
