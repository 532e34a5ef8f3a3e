-- Of locked candidates, in their order, those for which their key has a free slot.
create or replace function ops.within_slots(p_picked uuid[], p_candidates uuid[]) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_keys text[] := array(select distinct ops.key_of(r.workspace, r.concurrency_key) from ops.runs r
                          where r.run_id = any (p_candidates) and r.concurrency_key is not null);
begin
  if cardinality(v_keys) = 0 then
    return p_candidates;
  end if;
  return array(
    select c.run_id from (
      select t.run_id, t.n, ops.key_of(r.workspace, r.concurrency_key) as key,
             row_number() over (partition by r.workspace, r.concurrency_key order by t.n) as place
        from unnest(p_candidates) with ordinality t (run_id, n) join ops.runs r on r.run_id = t.run_id) c
      left join ops.free_slots(v_keys, p_picked) s on s.key = c.key
     where c.key is null or c.place <= s.free
     order by c.n);
end
$$;
