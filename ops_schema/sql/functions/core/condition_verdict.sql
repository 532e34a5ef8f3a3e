-- What a run condition says of its parents: 'ready', 'never' (it can no longer hold) or 'wait'.
-- p_failed counts failed and cancelled parents; a skipped parent is done, neither success nor failure.
create or replace function ops.condition_verdict(
  p_condition text, p_parents bigint, p_done bigint, p_succeeded bigint, p_failed bigint) returns text
language sql immutable parallel safe
return case p_condition
  when 'all_success' then
    case when p_succeeded = p_parents then 'ready' when p_done > p_succeeded then 'never' else 'wait' end
  when 'none_failed' then
    case when p_failed > 0 then 'never' when p_done = p_parents then 'ready' else 'wait' end
  when 'all_failed' then
    case when p_failed = p_parents then 'ready' when p_done > p_failed then 'never' else 'wait' end
  when 'all_done' then
    case when p_done = p_parents then 'ready' else 'wait' end
  when 'at_least_one_success' then
    case when p_done < p_parents then 'wait' when p_succeeded > 0 then 'ready' else 'never' end
  when 'at_least_one_failed' then
    case when p_done < p_parents then 'wait' when p_failed > 0 then 'ready' else 'never' end
end;
