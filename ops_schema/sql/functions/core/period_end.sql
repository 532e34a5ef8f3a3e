-- When the period of a budget ends that began at p_start; null: never. A day of 23 or 25 hours is one day.
create or replace function ops.period_end(p_period text, p_timezone text, p_start timestamptz) returns timestamptz
language sql stable parallel safe
return case p_period when 'total' then null
                     when 'hour' then p_start + interval '1 hour'
                     else ((p_start at time zone p_timezone) + ('1 ' || p_period)::interval)
                          at time zone p_timezone end;
