-- Mutate and emit: runs that have stood in the queue, or waited for a budget there, for longer than their cap
-- queue_seconds fail, at most p_limit; a paused one is let wait. Returns how many. One that raises is passed over.
create or replace function ops.end_unstarted_runs(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now  timestamptz := ops.now();
  v_late uuid[];
begin
  v_late := array(
    select r.run_id from ops.runs r
     where r.caps ? 'queue_seconds' and (r.state = 'queued' or r.state = 'waiting' and r.state_reason = 'budget_exhausted')
       and not r.paused and r.queued_at < v_now
       and r.queued_at + ops.seconds(
             (ops.effective_caps(r.workspace, r.template_name, r.caps) ->> 'queue_seconds')::numeric) < v_now
     order by r.run_id limit p_limit for update skip locked);
  return jsonb_array_length(
    ops.sweep_each(array_fill('end_unstarted_one'::text, array[cardinality(v_late)]), v_late, p_actor));
end
$$;
