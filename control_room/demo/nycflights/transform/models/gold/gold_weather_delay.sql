-- Delay by the weather at the origin in the scheduled hour. Flights without a weather record stay, as 'unknown'.
select
    case
        when w.weather_key is null then 'unknown'
        when w.precipitation_inches > 0 then 'rain or snow'
        when w.visibility_miles < 5 then 'low visibility'
        when w.wind_speed_mph >= 20 then 'strong wind'
        else 'fair'
    end as weather,
    f.origin,
    count(*) as flights,
    count(*) filter (where f.is_cancelled) as cancelled_flights,
    count(f.departure_delay_minutes) as departed_flights,
    sum(f.departure_delay_minutes)::bigint as departure_delay_minutes,
    avg(f.departure_delay_minutes) as mean_departure_delay_minutes
from {{ ref('silver_flights') }} as f
left join {{ ref('silver_weather') }} as w on f.origin = w.origin and f.time_hour = w.time_hour
group by 1, 2
order by 1, 2
