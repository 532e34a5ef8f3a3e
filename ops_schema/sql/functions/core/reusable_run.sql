-- The latest run that did the work of this key and whose every trace is still there: artifacts within their retention,
-- and published data that no other run published over since. One that added to a table, or that left tables which its
-- engine wrote by itself, is none: whether those still stand as it left them is not on record. Null without one.
create or replace function ops.reusable_run(p_reuse_key bytea) returns uuid
language sql stable
return (
  select r.run_id from ops.runs r
   where r.reuse_key = p_reuse_key and r.state = 'succeeded' and r.reused_from is null
     and not exists (select from ops.artifacts a
                      where a.run_id = r.run_id
                        and (a.state = 'expired'
                             or (a.state = 'visible' and (a.table_ref is not null
                                                          or a.expires_at < ops.now() + interval '1 minute'))))
     and not exists (select from ops.publications p
                      where p.run_id = r.run_id
                        and (p.state = 'recorded' or (p.state = 'committed' and (p.mode = 'append' or exists (
                               select from ops.publications o
                                where o.uri = p.uri and o.state = 'committed' and o.committed_at > p.committed_at)))))
   order by r.finished_at desc limit 1);
