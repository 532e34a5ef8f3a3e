select
    flight_date,
    origin,
    count(*) as flights,
    count(*) filter (where is_cancelled) as cancelled_flights,
    count(departure_delay_minutes) as departed_flights,
    sum(departure_delay_minutes)::bigint as departure_delay_minutes,
    avg(departure_delay_minutes) as mean_departure_delay_minutes
from {{ ref('silver_flights') }}
group by flight_date, origin
order by flight_date, origin
