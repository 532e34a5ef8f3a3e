-- Lineage events that are to be sent, in their order: [{lineage_id, run_id, body}].
create or replace function ops.pending_lineage(p_limit int) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('lineage_id', l.lineage_id, 'run_id', l.run_id, 'body', l.body)
                            order by l.lineage_id), '[]')
    from (select * from ops.lineage x where x.state = 'pending' order by x.lineage_id limit p_limit) l
$$;
