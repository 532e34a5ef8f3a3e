-- When the period of a budget began that a time lies in: hours, days and months as they are told in its timezone.
create or replace function ops.period_start(p_period text, p_timezone text, p_at timestamptz) returns timestamptz
language sql stable parallel safe
return case p_period when 'total' then timestamptz '-infinity'
                     else date_trunc(p_period, p_at, p_timezone) end;
