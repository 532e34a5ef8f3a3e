-- Triggers that hold what a CHECK cannot. The allowed pairs are written into each trigger's WHEN as constants, so
-- that a good change costs a comparison and no function call. (zz: loads after the functions that it names.)
do $$
declare
  v_of record;
begin
  for v_of in
    select t.entity, x.tab, x.col,
           array_agg(t.from_state || '>' || t.to_state order by t.from_state, t.to_state)
             filter (where t.from_state <> '') as pairs,
           array_agg(t.to_state order by t.to_state) filter (where t.from_state = '') as births
      from ops.transitions() t
      join (values ('run', 'runs', 'state'), ('attempt', 'attempts', 'outcome'),
                   ('publication', 'publications', 'state'), ('artifact', 'artifacts', 'state')) x (entity, tab, col)
        on x.entity = t.entity
     group by t.entity, x.tab, x.col
     order by t.entity
  loop
    execute format(
      'create or replace trigger %s_transitions before update of %I on ops.%I for each row '
      'when (old.%I is distinct from new.%I and (old.%I || ''>'' || new.%I) <> all (%L::text[])) '
      'execute function ops.refuse_transition(%L)',
      v_of.tab, v_of.col, v_of.tab, v_of.col, v_of.col, v_of.col, v_of.col, v_of.pairs, v_of.col);
    execute format(
      'create or replace trigger %s_births before insert on ops.%I for each row when (new.%I <> all (%L::text[])) '
      'execute function ops.refuse_birth(%L)',
      v_of.tab, v_of.tab, v_of.col, v_of.births, v_of.col);
  end loop;
end
$$;

create or replace trigger runs_definition before update of
  run_id, workspace, template_id, template_name, template_version, kind, task_key, pipeline_run_id, retry_of,
  reproduces, may_reuse, params, inputs, outputs, labels, caps, cap_rules, retry, lease_seconds, requires,
  concurrency_key, concurrency_limit, condition, deadline, idempotency_key, request_digest, dedupe_key, traceparent,
  submitted_by, submitted_at
  on ops.runs for each row execute function ops.refuse_redefinition();
-- its attempts: one more, when an executor that leaves gives the run back (ops.take_back)
create or replace trigger runs_more_attempts before update of max_attempts on ops.runs for each row
  when ((new.max_attempts, new.epoch) <> (old.max_attempts + 1, old.epoch + 1))
  execute function ops.refuse_redefinition();

create or replace trigger runs_reused_once before update of reused_from on ops.runs for each row
  when (old.reused_from is not null)
  execute function ops.refuse_redefinition();
create or replace trigger runs_one_manifest before update of manifest_root on ops.runs for each row
  when (old.manifest_root is not null)
  execute function ops.refuse_redefinition();

create or replace trigger templates_frozen before update on ops.templates
  for each row execute function ops.refuse_change();
create or replace trigger events_append_only before update or delete on ops.events
  for each row execute function ops.refuse_change();
create or replace trigger events_never_truncated before truncate on ops.events
  for each statement execute function ops.refuse_change();
create or replace trigger events_default_never_truncated before truncate on ops.events_default
  for each statement execute function ops.refuse_change();
create or replace trigger dropped_partitions_append_only before update or delete on ops.dropped_partitions
  for each row execute function ops.refuse_change();
create or replace trigger dropped_heads_append_only before update or delete on ops.dropped_heads
  for each row execute function ops.refuse_change();
create or replace trigger cap_ledger_append_only before update or delete on ops.cap_ledger
  for each row execute function ops.refuse_change();
create or replace trigger price_lists_frozen before update or delete on ops.price_lists
  for each row execute function ops.refuse_change();
create or replace trigger budget_ledger_append_only before update or delete on ops.budget_ledger
  for each row execute function ops.refuse_change();
create or replace trigger manifests_append_only before update or delete on ops.manifests
  for each row execute function ops.refuse_change();
create or replace trigger manifests_never_truncated before truncate on ops.manifests
  for each statement execute function ops.refuse_change();
create or replace trigger signing_keys_kept before delete on ops.signing_keys
  for each row execute function ops.refuse_change();
-- a key is retired, once, and nothing else
create or replace trigger signing_keys_frozen before update on ops.signing_keys for each row
  when (old.retired_at is not null or (new.key_id, new.public_key, new.valid_from)
        is distinct from (old.key_id, old.public_key, old.valid_from))
  execute function ops.refuse_change();

-- What leases reserved is settled at the end of the transaction in which they end, whichever verb ended them.
create or replace trigger leases_ended after delete on ops.leases referencing old table as gone
  for each statement execute function ops.note_ended_leases();
drop trigger if exists budget_dues_settled on ops.budget_dues;
create constraint trigger budget_dues_settled after insert on ops.budget_dues deferrable initially deferred
  for each row execute function ops.settle_at_commit();
