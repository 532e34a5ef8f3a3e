-- Hourly weather at each origin; temperatures become Celsius, visibility stays in miles, wind in miles per hour.
select
    concat_ws('|', origin, strftime(time_hour at time zone 'UTC', '%Y-%m-%dT%H')) as weather_key,
    origin,
    time_hour,
    round((temp - 32) * 5 / 9, 2) as temperature_celsius,
    humid as humidity_percent,
    wind_speed as wind_speed_mph,
    precip as precipitation_inches,
    pressure as pressure_millibars,
    visib as visibility_miles
from {{ source('inputs', 'weather') }}
