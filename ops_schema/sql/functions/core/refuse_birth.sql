-- Trigger: a row created in a state in which nothing begins. See ops.refuse_transition.
create or replace function ops.refuse_birth() returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using errcode = '23514', message = format('%s: nothing begins in this state', tg_table_name),
    detail = to_jsonb(new) ->> tg_argv[0], hint = 'ops.transitions() lists what is allowed.';
end
$$;
