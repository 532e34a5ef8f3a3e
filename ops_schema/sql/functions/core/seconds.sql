-- Seconds as an interval.
create or replace function ops.seconds(p_seconds numeric) returns interval
language sql immutable parallel safe
return make_interval(secs => p_seconds::double precision);
