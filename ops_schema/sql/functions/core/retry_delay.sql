-- Seconds until the next attempt: exponential from backoff_seconds (default 5) up to backoff_max_seconds (default 300),
-- and of that a random part between a half and the whole. p_attempt: the attempt that has just ended, from 1.
create or replace function ops.retry_delay(p_retry jsonb, p_attempt int) returns numeric
language sql volatile parallel safe
return least(coalesce((p_retry ->> 'backoff_max_seconds')::numeric, 300),
             coalesce((p_retry ->> 'backoff_seconds')::numeric, 5) * power(2::numeric, least(p_attempt - 1, 30)))
       * (0.5 + 0.5 * random())::numeric;
