-- One row per scheduled departure. `time_hour` is the scheduled hour in UTC; a flight without a departure was cancelled.
select
    concat_ws('|', carrier, flight, origin, strftime(time_hour at time zone 'UTC', '%Y-%m-%dT%H')) as flight_key,
    make_date(year, month, day) as flight_date,
    time_hour,
    hour as scheduled_hour,
    carrier,
    flight as flight_number,
    tailnum,
    origin,
    dest,
    distance as distance_miles,
    air_time as air_time_minutes,
    dep_delay as departure_delay_minutes,
    arr_delay as arrival_delay_minutes,
    dep_time is null as is_cancelled
from {{ source('inputs', 'flights') }}
