-- The retention's look: artifacts over their time are expired, at most p_limit, unless their run is held, or a run
-- that has not ended waits for theirs. Those that a later run reused are kept as long after that one's end, and while
-- that one is held. Their rows stay, with digest and size; the collector takes the bytes.
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
       and not exists (select from ops.runs u join ops.runs r on r.run_id = a.run_id
                        where u.reused_from = a.run_id
                          and (u.finished_at + (a.expires_at - r.finished_at) > ops.now() or exists (
                                 select from ops.legal_holds h
                                  where h.released_at is null and h.run_id in (u.run_id, u.pipeline_run_id))))
       and not exists (select from ops.run_dependencies d join ops.runs c on c.run_id = d.run_id
                        where d.depends_on in (select a.run_id union all select u.run_id from ops.runs u where u.reused_from = a.run_id)
                          and not ops.is_terminal(c.state))
     order by a.expires_at limit p_limit for update skip locked
  )
  update ops.artifacts a set state = 'expired', expired_at = ops.now() from over o where a.artifact_id = o.artifact_id;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
