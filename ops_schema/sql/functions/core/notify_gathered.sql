-- Emit: what became claimable since ops.gather_ready(true), in one notification, or kept for who asked for it
-- (ops.keep_ready). A verb's last act but its answer.
create or replace function ops.notify_gathered() returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_told text := ops.gathered_ready();
begin
  if v_told is not null and current_setting('ops.keep', true) = 'on' then
    perform set_config('ops.kept', concat_ws(',', nullif(current_setting('ops.kept', true), ''), v_told), true);
  elsif v_told is not null then
    perform pg_notify('ops_ready', v_told);
  end if;
end
$$;
