-- A template's spec with the retry policy of one run: what its submit said replaces the template's, field by field.
create or replace function ops.own_retry(p_spec jsonb, p_retry jsonb) returns jsonb
language sql immutable parallel safe
return p_spec || jsonb_build_object('retry',
                                    coalesce(nullif(p_spec -> 'retry', 'null'), '{}') || coalesce(p_retry, '{}'));
