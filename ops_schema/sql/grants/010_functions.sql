-- Who may call what. Nothing is anybody's by default; servers call the verbs, and only they.
revoke execute on all functions in schema ops from public;

do $$
declare
  v_verbs text[] := array[
    'warm_up',
    -- who calls
    'authenticate', 'session_principal', 'create_login_code', 'redeem_login_code', 'end_session', 'create_token',
    'revoke_token',
    -- executor plane
    'register_executor', 'leave_executor', 'claim_runs', 'heartbeat', 'append_logs', 'begin_artifact',
    'record_artifact', 'artifacts_each', 'announced_artifacts', 'open_upload', 'declare_parts', 'close_upload',
    'refuse_object', 'get_artifact', 'find_earlier', 'get_bundle', 'report_attempt', 'exchange_each', 'claim_profile', 'tell_ready',
    'keep_ready', 'kept_ready', 'commit_publication',
    -- operator plane
    'submit_run', 'submit_each', 'get_run', 'list_runs', 'cancel_run', 'retry_run', 'reproduce_run', 'why_run',
    'pause_run',
    'resume_run', 'reschedule_run', 'requeue_run', 'list_queues', 'pause_queue', 'resume_queue', 'pause_executor',
    'resume_executor', 'drain_executor', 'list_dead_letters', 'replay_each', 'run_events', 'run_logs',
    'run_artifacts', 'get_preview', 'put_template', 'list_templates', 'get_template', 'put_bundle', 'list_executors',
    'list_caps', 'list_workspaces', 'put_setting', 'put_workspace', 'put_cap', 'explain_caps', 'run_lineage',
    'data_runs', 'hold_run',
    'release_run', 'list_collection', 'put_budget', 'list_budgets', 'check_budgets', 'put_prices', 'list_prices', 'info',
    'verify_events', 'get_manifest', 'run_chain', 'list_signing_keys',
    -- reactor
    'expire_leases', 'promote_due', 'pending_publications', 'commit_publication_as_reactor', 'ensure_partitions',
    'drop_partitions', 'lead', 'events_since', 'expire_artifacts', 'condemn_objects', 'take_condemned',
    'removed_object', 'stale_uploads', 'unknown_uploads', 'lineage_facts', 'record_lineage', 'pending_lineage', 'settle_lineage',
    'without_manifest',
    'manifest_parts', 'put_manifest', 'put_signing_key'];
  v_verb     text;
  v_function regprocedure;
begin
  foreach v_verb in array v_verbs loop
    if not exists (select from pg_proc p where p.pronamespace = 'ops'::regnamespace and p.proname = v_verb) then
      raise exception 'grants: there is no function ops.%', v_verb;
    end if;
    for v_function in
      select p.oid from pg_proc p where p.pronamespace = 'ops'::regnamespace and p.proname = v_verb
    loop
      execute format('grant execute on function %s to ops_server', v_function);
    end loop;
  end loop;
end
$$;
