-- The advisory lock of a submit's dedupe key.
create or replace function ops.dedupe_lock(p_body jsonb) returns bigint
language sql immutable parallel safe
return hashtextextended('ops.dedupe:' || coalesce(p_body ->> 'workspace', 'default') || '/'
                        || (p_body ->> 'dedupe_key'), 0);
