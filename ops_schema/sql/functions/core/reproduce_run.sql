-- Reproduce: a new run of the same template version with the same parameters and exactly the inputs that an ended run
-- had; what it publishes lies at places of its own (ops.outputs_beside). Of a pipeline all tasks, each with what the
-- reproduced ones before it left. A run whose engine wrote tables by itself writes them again: that has to be wanted.
--   p_body {idempotency_key?, write_again?}
-- Returns the Run, with `repeated: true` when the key was seen. Raises OPU01, OPU02, OPN01, OPC03, OPC05, OPV01, OPV02.
create or replace function ops.reproduce_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_digest bytea      := ops.digest(coalesce(p_body, '{}') || jsonb_build_object('reproduces', v_run_id));
  v_tables text[];
  v_run    ops.runs;
  v_found  uuid;
begin
  if jsonb_typeof(p_body -> 'write_again') not in ('boolean', 'null') then
    perform ops.invalid('/write_again', 'must be true or false');
  end if;
  select * into v_run from ops.runs r where r.run_id = v_run_id;
  v_found := ops.repeated_submit(v_run.workspace, p_body ->> 'idempotency_key', v_digest);
  if v_found is not null then
    return ops.run_json(v_found) || '{"repeated": true}';
  end if;
  perform ops.gather_ready(true);
  select * into v_run from ops.runs r where r.run_id = v_run_id;
  if not ops.is_terminal(v_run.state) or v_run.state = 'skipped' then
    perform ops.fail('OPC05', format('run %s %s %s', v_run.number,
        case v_run.state when 'skipped' then 'was' else 'is' end, v_run.state),
      jsonb_build_object('state', v_run.state), 'Reproduce a run that was done.');
  end if;
  v_tables := array(select distinct a.table_ref ->> 'uri' from ops.artifacts a
                     where a.run_id in (select ops.run_workers(v_run)) and a.state = 'visible'
                       and a.table_ref is not null);
  if v_tables <> '{}' and not coalesce((p_body ->> 'write_again')::boolean, false) then
    perform ops.fail('OPC05', format('the engine of run %s wrote tables by itself, and would write them again: %s',
        v_run.number, ops.first_names(v_tables)),
      jsonb_build_object('state', v_run.state, 'tables', v_tables),
      'Say write_again (--write-again) to have them written; what it publishes as outputs lies beside in any case.');
  end if;
  v_found := ops.rerun(v_run, p_body ->> 'idempotency_key', jsonb_build_object(
    'workspace', v_run.workspace, 'submitted_by', v_token.name, 'reproduces', v_run_id,
    'digest', encode(v_digest, 'hex')), false);
  perform ops.notify_gathered();
  return ops.run_json(v_found);  -- a statement of its own, which sees the new run
end
$$;
