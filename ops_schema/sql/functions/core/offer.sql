-- What an executor offers, as runs.requires asks for it: {"capabilities": {..}, "labels": {..}}.
create or replace function ops.offer(p_executor ops.executors) returns jsonb
language sql stable parallel safe
return jsonb_build_object('capabilities', p_executor.capabilities, 'labels', p_executor.labels);
