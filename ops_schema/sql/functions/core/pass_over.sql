-- What a sweep does about a member that raised: it is logged, and the sweep goes on without it. What is not the
-- member's (a lock, a deadlock, a resource, a shutdown) is raised again.
create or replace function ops.pass_over(p_code text, p_message text, p_what text) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_code ~ '^(40|53|55|57|58)' then
    raise exception using errcode = p_code, message = p_message;
  end if;
  raise warning using errcode = p_code, message = format('action=swept_past %s: %s', p_what, p_message);
end
$$;
