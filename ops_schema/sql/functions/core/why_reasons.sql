-- The reasons of one run by its state: [{code, message, detail}]. p_workspaces: those the caller may see, null: all.
create or replace function ops.why_reasons(p_run ops.runs, p_workspaces text[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return case p_run.state when 'waiting' then ops.why_waiting(p_run)
                          when 'queued' then ops.why_queued(p_run, p_workspaces)
                          when 'running' then ops.why_running(p_run)
                          when 'succeeded' then ops.why_succeeded(p_run)
                          when 'failed' then ops.why_failed(p_run)
                          when 'cancelled' then ops.why_cancelled(p_run)
                          when 'skipped' then ops.why_skipped(p_run) end;
end
$$;
