-- What is wrong with a log chunk: path within it and message; message null when it is fine.
create or replace function ops.chunk_problem(p_chunk jsonb, out path text, out message text)
language sql immutable set search_path = ''
as $$
  select x.path, x.message
    from (values
      (1, '', 'must be an object', jsonb_typeof(p_chunk) = 'object'),
      (2, '/stream', 'must be a name in lower case', p_chunk ->> 'stream' ~ '^[a-z][a-z0-9_.-]{0,62}$'),
      (3, '/seq', 'must be a whole number from 0 on', ops.is_natural(p_chunk -> 'seq')),
      (4, '/offset', 'must be a whole number from 0 on', ops.is_natural(p_chunk -> 'offset')),
      (5, '/at', 'must be a time (ISO-8601)', p_chunk ->> 'at' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d'),
      (6, '/text', 'must be text', jsonb_typeof(p_chunk -> 'text') = 'string')) x (n, path, message, fine)
   where x.fine is not true
   order by x.n limit 1
$$;
