-- Limits and what holds beside them (ops.effective_rules) as the contract has them: {cap: {limit, action,
-- grace_seconds, warn}} of the caps of which anything is said; limit null where the cap only warns.
create or replace function ops.told_rules(p_caps jsonb, p_rules jsonb) returns jsonb
language sql immutable parallel safe
return (
  select jsonb_object_agg(r.key, jsonb_build_object(
           'limit', p_caps -> r.key,
           'action', case when p_caps ? r.key then coalesce(r.value ->> 'action', 'cancel') end,
           'grace_seconds', r.value -> 'grace_seconds', 'warn', r.value -> 'warn'))
    from jsonb_each(p_rules) r);
