-- Refuse a name that could leave its folder or confuse a reader: OPV06.
create or replace function ops.check_artifact_name(p_name text) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_problem text := case
    when p_name is null or p_name = '' then 'is empty'
    when octet_length(p_name) > 1024 then 'is longer than 1024 bytes'
    when p_name ~ '[\u0001-\u001f\u007f-\u009f]' then 'holds a control character'
    when left(p_name, 1) = '/' then 'starts with "/"'
    when p_name ~ '(^|/)\.{0,2}(/|$)' then 'has an empty, "." or ".." segment'
    when strpos(p_name, '\') > 0 then 'holds a backslash'
  end;
begin
  if v_problem is not null then
    perform ops.fail('OPV06', format('artifact name %s %s', left(to_jsonb(p_name)::text, 200), v_problem), '{}',
      'Use a relative path such as "report/index.html".');
  end if;
end
$$;
