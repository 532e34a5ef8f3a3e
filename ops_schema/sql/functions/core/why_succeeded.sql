-- The one reason of a succeeded run: when, and in which attempt (0 of a pipeline, whose tasks have the attempts), or
-- which run's work it took.
create or replace function ops.why_succeeded(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_array(ops.reason('succeeded',
    format('it succeeded at %s%s', ops.iso((p_run).finished_at),
           case when (p_run).kind = 'pipeline' then ', as no task of it failed'
                when (p_run).reused_from is not null then format(
                  ', without an attempt: run %s had done the same with the same inputs',
                  (select o.number from ops.runs o where o.run_id = (p_run).reused_from))
                else format(', in attempt %s of at most %s', (p_run).attempt, (p_run).max_attempts) end),
    jsonb_build_object('finished_at', ops.iso((p_run).finished_at), 'attempt', (p_run).attempt,
                       'max_attempts', (p_run).max_attempts)))
$$;
