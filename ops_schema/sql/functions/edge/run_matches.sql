-- Whether a run is what somebody types into the search box: a number, the start of an id, part of a name or a label.
create or replace function ops.run_matches(p_run ops.runs, p_q text) returns boolean
language sql immutable set search_path = ''
as $$
  select (p_run).number::text = ltrim(p_q, '#')
      or starts_with((p_run).run_id::text, lower(p_q))
      or strpos(lower((p_run).template_name), lower(p_q)) > 0
      or strpos(lower(coalesce((p_run).task_key, '')), lower(p_q)) > 0
      or strpos(lower((p_run).labels::text), lower(p_q)) > 0
$$;
