-- Whether the events of an attempt tell already that this body came for it again, or tell of ten others.
create or replace function ops.is_noted(p_attempt ops.attempts, p_digest bytea) returns boolean
language sql stable set search_path = ''
as $$
  select count(*) >= 10 or coalesce(bool_or(e.canonical::jsonb #>> '{data,digest_sent}' = encode(p_digest, 'hex')), false)
    from ops.events e
   where e.run_id = (p_attempt).run_id and e.type = 'report.differs' and e.epoch = (p_attempt).epoch
$$;
