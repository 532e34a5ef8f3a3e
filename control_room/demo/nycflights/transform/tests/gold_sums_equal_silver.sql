-- Every gold table must hold each flight exactly once: counts and minutes add up to silver's. Returns the offenders.
with silver as (
    select
        count(*) as flights,
        sum(departure_delay_minutes) as departure_minutes,
        sum(arrival_delay_minutes) as arrival_minutes
    from {{ ref('silver_flights') }}
),

gold as (
    select
        'gold_carrier_hour_delay' as model_name,
        sum(flights) as flights,
        sum(departure_delay_minutes) as departure_minutes,
        sum(arrival_delay_minutes) as arrival_minutes
    from {{ ref('gold_carrier_hour_delay') }}
    union all
    select
        'gold_weather_delay',
        sum(flights),
        sum(departure_delay_minutes),
        null
    from {{ ref('gold_weather_delay') }}
    union all
    select
        'gold_route_delay',
        sum(flights),
        null,
        sum(arrival_delay_minutes)
    from {{ ref('gold_route_delay') }}
    union all
    select
        'gold_daily_delay',
        sum(flights),
        sum(departure_delay_minutes),
        null
    from {{ ref('gold_daily_delay') }}
)

select gold.*
from gold
cross join silver
where
    gold.flights is distinct from silver.flights
    or (gold.departure_minutes is not null and gold.departure_minutes <> silver.departure_minutes)
    or (gold.arrival_minutes is not null and gold.arrival_minutes <> silver.arrival_minutes)
