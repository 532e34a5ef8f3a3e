-- Lock, in key order and in one statement, the concurrency keys at the head of what these claims could have.
create or replace function ops.lock_keys_ahead(p_claims ops.member_claim[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_keys     text[] := '{}';
  v_first    ops.member_claim;
  v_executor ops.executors;
begin
  if not exists (select from ops.concurrency_keys) then
    return;
  end if;
  for v_first in select distinct on (c.filter) c.* from unnest(p_claims) c where c.repeated is null
                  order by c.filter
  loop
    select * into v_executor from ops.executors e where e.executor_id = v_first.executor_id;
    v_keys := v_keys || ops.keys_ahead(v_executor, v_first.queues, '{}', '{}');
  end loop;
  perform ops.lock_keys(v_keys, true);
end
$$;
