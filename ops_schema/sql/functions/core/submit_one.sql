-- Mutate and emit: what ops.submit_run does, for a token that may. Returns the run and whether it was on record before.
-- Claims are not told: the caller announces what became ready.
--
-- Two submits with one idempotency key at once: the index lets one through, and the other finds it. Requests that use
-- keys without making a run take turns with all of these (see ops.repeated_submit); a submit that may do so too, since
-- it may be answered with the holder of its dedupe key, takes its idempotency key alone. Lock order: idempotency keys
-- of the workspace, dedupe key, concurrency keys, runs.
create or replace function ops.submit_one(p_token ops.tokens, p_body jsonb, out run_id uuid, out repeated boolean)
language plpgsql volatile set search_path = ''
as $$
declare
  v_workspace text  := coalesce(p_body ->> 'workspace', 'default');
  v_digest    bytea := ops.submit_digest(p_body);
  v_key       text;
begin
  perform ops.check_submit(p_body);
  perform ops.check_workspace(p_token, v_workspace);
  if p_body ->> 'idempotency_key' is not null then
    perform ops.lock_request_keys(v_workspace, ops.keeps_key_alone(p_body));
  end if;
  if p_body ->> 'dedupe_key' is not null then
    perform pg_advisory_xact_lock(ops.dedupe_lock(p_body));
    if p_body ->> 'on_conflict' = 'replace' then  -- which cancels a run, after the keys of the new one
      perform ops.lock_planned_keys(ops.keys_of_submits(jsonb_build_array(
        jsonb_build_object('token_id', p_token.token_id, 'body', p_body))), false);
    end if;
  end if;
  loop
    run_id := ops.repeated_submit(v_workspace, p_body ->> 'idempotency_key', v_digest, false);
    repeated := run_id is not null;
    if not repeated then
      run_id := ops.deduplicated(p_token, v_workspace, p_body, v_digest);
      repeated := run_id is not null;
    end if;
    exit when repeated;
    if p_body ->> 'idempotency_key' is null then
      run_id := ops.submit_new(p_token, v_workspace, p_body, v_digest);
      return;
    end if;
    begin
      run_id := ops.submit_new(p_token, v_workspace, p_body, v_digest);
      return;
    exception when unique_violation then
      get stacked diagnostics v_key = constraint_name;
      if v_key <> 'runs_idempotency' then
        raise;
      end if;
    end;
  end loop;
end
$$;
