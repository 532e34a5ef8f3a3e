create namespace if not exists iceberg.lakehouse_demo;

create or replace table iceberg.lakehouse_demo.flights using iceberg as
select
  concat_ws('|', carrier, flight, origin, date_format(time_hour, 'yyyy-MM-dd HH')) as flight_key,
  make_date(year, month, day) as flight_date,
  time_hour,
  hour as scheduled_hour,
  carrier,
  flight as flight_number,
  tailnum,
  origin,
  dest,
  distance as distance_miles,
  dep_delay as departure_delay_minutes,
  arr_delay as arrival_delay_minutes,
  dep_time is null as is_cancelled
from flights;

create or replace table delta.`s3://lakehouse/lakehouse_demo/silver/weather` using delta as
select
  origin,
  time_hour,
  round((temp - 32) * 5 / 9, 2) as temperature_celsius,
  wind_speed as wind_speed_mph,
  precip as precipitation_inches,
  visib as visibility_miles
from weather
