-- The concurrency key of a new run, or null: its submit's, else what the template's says with these parameters.
create or replace function ops.planned_key(p_spec jsonb, p_body jsonb, p_params jsonb) returns text
language sql stable set search_path = ''
as $$
  select coalesce(p_body ->> 'concurrency_key',
                  ops.substitute(p_spec #> '{concurrency,key}', p_params, '/concurrency/key') #>> '{}')
$$;
