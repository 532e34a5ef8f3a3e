-- Counts and minutes of each mart add up to those of the table that they are made of. Returns the offenders.
with whole as (
    select
        count(*) as flights,
        sum(departure_delay_minutes) as minutes
    from {{ source('lakehouse', 'flights_weather') }} for version as of {{ var('flights_weather_version') }}
),

marts as (
    select
        'weather_delay' as mart,
        sum(flights) as flights,
        sum(departure_delay_minutes) as minutes
    from {{ ref('weather_delay') }}
    union all
    select
        'carrier_delay',
        sum(flights),
        sum(departure_delay_minutes)
    from {{ ref('carrier_delay') }}
)

select marts.*
from marts
cross join whole
where marts.flights is distinct from whole.flights or marts.minutes is distinct from whole.minutes
