-- Trigger: a change of state that STATE_MACHINE.md does not draw. Reached only by a defect in a function, so the
-- SQLSTATE is 23514 (check violation), not one of ours.
create or replace function ops.refuse_transition() returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using errcode = '23514', message = format('%s: a change of state that is not allowed', tg_table_name),
    detail = coalesce(to_jsonb(old) ->> tg_argv[0], '(new)') || ' -> ' || (to_jsonb(new) ->> tg_argv[0]),
    hint = 'ops.transitions() lists what is allowed.';
end
$$;
