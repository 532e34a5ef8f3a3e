-- Trigger: the table is append-only, also for its owner. SQLSTATE 42501, as for a missing privilege.
create or replace function ops.refuse_change() returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using errcode = '42501', message = format('ops.%s is append-only', tg_table_name),
    hint = 'Add a new row; what is recorded stays.';
end
$$;
