-- The executors of a kind that have been heard of lately and have not left, by number.
create or replace function ops.alive_executors(p_kind text) returns ops.executors[]
language sql stable set search_path = ''
as $$
  select array(
    select e from ops.executors e
     where e.kind = p_kind and e.state <> 'left'
       and e.last_seen_at > ops.now() - ops.seconds(ops.setting_number('executor_alive_seconds'))
     order by e.number)
$$;
