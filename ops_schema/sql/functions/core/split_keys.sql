-- Texts of ops.key_of as workspace and key again, in key order, each once: the order in which keys are locked.
create or replace function ops.split_keys(p_keys text[]) returns table (workspace text, key text)
language sql immutable parallel safe set search_path = ''
as $$
  select distinct split_part(k, chr(31), 1), substr(k, strpos(k, chr(31)) + 1) from unnest(p_keys) k order by 1, 2
$$;
