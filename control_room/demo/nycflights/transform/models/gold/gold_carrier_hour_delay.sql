-- Delay by carrier and scheduled hour of departure. Sums of minutes stay beside the means, so that any reader can
-- add them up again; cancelled flights count as flights and have no delay.
select
    f.carrier,
    a.carrier_name,
    f.scheduled_hour,
    count(*) as flights,
    count(*) filter (where f.is_cancelled) as cancelled_flights,
    count(f.departure_delay_minutes) as departed_flights,
    sum(f.departure_delay_minutes)::bigint as departure_delay_minutes,
    count(f.arrival_delay_minutes) as arrived_flights,
    sum(f.arrival_delay_minutes)::bigint as arrival_delay_minutes,
    avg(f.departure_delay_minutes) as mean_departure_delay_minutes,
    avg(f.arrival_delay_minutes) as mean_arrival_delay_minutes
from {{ ref('silver_flights') }} as f
inner join {{ ref('silver_airlines') }} as a on f.carrier = a.carrier
group by f.carrier, a.carrier_name, f.scheduled_hour
order by f.carrier, f.scheduled_hour
