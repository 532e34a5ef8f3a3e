-- Delay by the weather at the scheduled hour. Each flight is in one row, cancelled ones too.
select
    origin,
    case
        when not weather_is_known then 'unknown'
        when precipitation_inches > 0 then 'rain or snow'
        when visibility_miles < 5 then 'low visibility'
        when wind_speed_mph >= 20 then 'windy'
        else 'fair'
    end as weather,
    count(*) as flights,
    count_if(is_cancelled) as cancelled_flights,
    count(departure_delay_minutes) as departed_flights,
    coalesce(sum(departure_delay_minutes), 0) as departure_delay_minutes
from {{ source('lakehouse', 'flights_weather') }} for version as of {{ var('flights_weather_version') }}
group by 1, 2
