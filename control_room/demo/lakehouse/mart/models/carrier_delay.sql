-- Delay by carrier and scheduled hour.
select
    carrier,
    scheduled_hour,
    count(*) as flights,
    count_if(is_cancelled) as cancelled_flights,
    count(departure_delay_minutes) as departed_flights,
    coalesce(sum(departure_delay_minutes), 0) as departure_delay_minutes
from {{ source('lakehouse', 'flights_weather') }} for version as of {{ var('flights_weather_version') }}
group by 1, 2
