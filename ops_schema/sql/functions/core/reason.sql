-- One reason of ops.why_run.
create or replace function ops.reason(p_code text, p_message text, p_detail jsonb default '{}') returns jsonb
language sql stable parallel safe
return jsonb_build_object('code', p_code, 'message', p_message, 'detail', p_detail);
