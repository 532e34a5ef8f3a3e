-- The run on record that a submit is answered with because it holds the submit's dedupe key; null when a new run is to
-- be made, which with on_conflict `replace` may mean that the holder was cancelled just now. The caller has locked the
-- dedupe key. Raises OPC11 with {run_id, number, state} when the holder stays and the submit does not want it.
create or replace function ops.deduplicated(p_token ops.tokens, p_workspace text, p_body jsonb, p_digest bytea)
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_wanted text := coalesce(p_body ->> 'on_conflict', 'error');
  v_holder ops.runs;
begin
  if p_body ->> 'dedupe_key' is null then
    return null;
  end if;
  select * into v_holder from ops.runs r
   where r.workspace = p_workspace and r.dedupe_key = p_body ->> 'dedupe_key'
     and r.state in ('waiting', 'queued', 'running');
  if v_holder.run_id is null then
    return null;
  elsif v_wanted = 'replace' then
    -- an `if` of its own: `and` promises no order, and giving way is no question
    if ops.give_way(p_token, v_holder.run_id) then
      return null;
    end if;
  elsif v_wanted = 'return' then
    insert into ops.retry_requests (workspace, idempotency_key, request_digest, run_id, created_at)
    select p_workspace, p_body ->> 'idempotency_key', p_digest, v_holder.run_id, ops.now()
     where p_body ->> 'idempotency_key' is not null;
    return v_holder.run_id;
  end if;
  select * into v_holder from ops.runs r where r.run_id = v_holder.run_id;
  perform ops.fail('OPC11', format('run %s, which is %s, holds dedupe key %s', v_holder.number, v_holder.state,
      p_body ->> 'dedupe_key'),
    jsonb_build_object('run_id', v_holder.run_id, 'number', v_holder.number, 'state', v_holder.state),
    'Wait for it or cancel it; on_conflict `return` answers with it, `replace` cancels it while it does not run.');
  return null;
end
$$;
